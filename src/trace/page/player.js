"use strict";
// Where in the run the page is, and what is selected. Every panel listens to the one player; nobody keeps a position
// of their own.

class Player {
  constructor(recording, history, index) {
    Object.assign(this, { recording, history, index });
    /** The event that happened last, at this moment of the replay. */
    this.seq = 0;
    /** The selected task, or null. */
    this.selected = null;
    /** The loop's state just after the event. */
    this.state = recording.length > 0 ? history.after(0) : null;
    this.panels = [];
  }

  /** Adds a panel: an object with `update(player)`, called after each change. */
  add(panel) {
    this.panels.push(panel);
  }

  update() {
    for (const panel of this.panels) panel.update(this);
  }

  /** Goes to an event; to the first or last one if there is none of that number. */
  seek(seq) {
    if (this.recording.length === 0) return;
    const wanted = Number.isFinite(seq) ? Math.trunc(seq) : seq === Infinity ? this.recording.length : 0;
    this.seq = Math.max(0, Math.min(this.recording.length - 1, wanted));
    this.state = this.history.after(this.seq);
    this.update();
  }

  /** Goes `n` events, polls or turns forwards, or backwards if `n` is negative. */
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

  /** Selects a task, or none with null. */
  select(task) {
    this.selected = task === null || !this.index.tasks.has(task) ? null : task;
    this.update();
  }

  /** A task's name, at any moment of the run. */
  nameOf(task) {
    return this.index.tasks.get(task)?.name ?? `task ${task}`;
  }
}
