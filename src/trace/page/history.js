"use strict";
// Any moment of the run. A copy of the state was kept every few thousand events; from the nearest one before the moment
// that is asked for, the events in between are folded in again. Going back is as quick as going on.

class StateHistory {
  /** `copies` are the states after every `distance` events, the first one after none. */
  constructor(recording, copies, distance) {
    this.recording = recording;
    this.copies = copies;
    this.distance = distance;
    this.now = copies[0].copy();
  }

  /** The state just after the event `seq`. It changes with the next call. */
  after(seq) {
    const wanted = seq + 1;
    const nearest = Math.floor(wanted / this.distance);
    if (this.now.applied > wanted || this.now.applied < nearest * this.distance) this.now = this.copies[nearest].copy();
    while (this.now.applied < wanted) this.now.apply(this.recording.event(this.now.applied));
    return this.now;
  }
}
