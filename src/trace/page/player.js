"use strict";
// The current position in the run and the selection. All panels observe the player and store no position themselves.

class Player {
  constructor(recording, history, index) {
    Object.assign(this, { recording, history, index });
    /** The current event. */
    this.seq = 0;
    /** The selected task, or null. */
    this.selected = null;
    /** The state of the loop after the current event. */
    this.state = recording.length > 0 ? history.after(0) : null;
    this.panels = [];
  }

  /** Adds a panel: an object with a method `update(player)`, which is called after each change. */
  add(panel) {
    this.panels.push(panel);
  }

  update() {
    for (const panel of this.panels) panel.update(this);
  }

  /** Goes to an event. The number is clamped. */
  seek(seq) {
    if (this.recording.length === 0) return;
    const target = Number.isFinite(seq) ? Math.trunc(seq) : seq === Infinity ? this.recording.length : 0;
    this.seq = Math.max(0, Math.min(this.recording.length - 1, target));
    this.state = this.history.after(this.seq);
    this.update();
  }

  /** Steps `n` events, polls or turns forwards, or backwards if `n` is negative. */
  step(n, unit = "event") {
    if (unit === "event") return this.seek(this.seq + n);
    const stops = unit === "poll" ? this.index.polls : this.index.turns;
    let seq = this.seq;
    for (let left = Math.abs(n); left > 0; left -= 1) {
      const next = n > 0 ? firstAfter(stops, seq) : lastBefore(stops, seq);
      if (next < 0) return this.seek(n > 0 ? Infinity : 0);
      seq = next;
    }
    this.seek(seq);
  }

  /** Selects a task; null clears the selection. */
  select(task) {
    this.selected = task === null || !this.index.tasks.has(task) ? null : task;
    this.update();
  }

  /** Returns the name of a task, even before its spawn and after its end. */
  nameOf(task) {
    return this.index.tasks.get(task)?.name ?? `task ${task}`;
  }
}
