"use strict";
// The state of the loop after any event. There is a copy of the state every few thousand events; from the nearest earlier
// copy, the events in between are applied again. So going backwards is as fast as going forwards.

class StateHistory {
  /** `copies` are the states after 0, `distance`, 2 × `distance`, … events. */
  constructor(recording, copies, distance) {
    this.recording = recording;
    this.copies = copies;
    this.distance = distance;
    this.now = copies[0].copy();
  }

  /** Returns the state after the event `seq`. The next call changes the returned object. */
  after(seq) {
    const target = seq + 1;
    const nearest = Math.floor(target / this.distance);
    if (this.now.applied > target || this.now.applied < nearest * this.distance) this.now = this.copies[nearest].copy();
    while (this.now.applied < target) this.now.apply(this.recording.event(this.now.applied));
    return this.now;
  }
}
