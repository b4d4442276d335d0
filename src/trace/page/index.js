"use strict";
// An index of the recording, computed in one pass over the events, so that no panel has to search.
//
// * `turns`, `polls`, `findings`: the events at which steps stop and to which links lead;
// * `causeOf`: for each event, the earlier event that caused it;
// * `ledTo`: for each wake, the poll that followed;
// * the spans of the timeline: turns, waits, polls, jobs, and the states of each task.

/** The spans of one track of the timeline, sorted by their beginning. */
class Spans {
  constructor() {
    this.from = [];
    this.to = [];
    /** The subject of the span: the state of a task, or the number of a task or job. */
    this.what = [];
    /** The event that began the span. */
    this.seq = [];
  }

  get length() {
    return this.from.length;
  }

  begin(t, what, seq) {
    this.from.push(t);
    this.to.push(Infinity);
    this.what.push(what);
    this.seq.push(seq);
  }

  /** Ends the last span, if it is open. */
  end(t) {
    const last = this.to.length - 1;
    if (last >= 0 && this.to[last] === Infinity) this.to[last] = Math.max(t, this.from[last]);
  }

  /** Returns the index of the first span that ends after `t`. */
  firstAfter(t) {
    let low = 0, high = this.to.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.to[middle] > t) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

class Index {
  constructor(length) {
    this.turns = [];
    this.polls = [];
    this.findings = [];
    this.causeOf = new Int32Array(length).fill(-1);
    this.ledTo = new Int32Array(length).fill(-1);

    /** The maximum numbers of sources and timers at one time. */
    this.max = { sources: 0, timers: 0 };

    /** The tracks of the timeline. */
    this.turnSpans = new Spans();
    this.waitSpans = new Spans();
    this.pollSpans = new Spans();
    /** One entry per worker. */
    this.jobSpans = [];
    /** Task -> { name, spans, seqs: its events, polls: the events that begin its polls } */
    this.tasks = new Map();
    /** Future -> { of, task, parent, seqs: its transitions } */
    this.futures = new Map();
    /** The time that the task spent in the ready queue before each of the `polls`, in nanoseconds. */
    this.lags = [];

    // The last event of each object, to find causes.
    this.last = { poll: -1, wait: -1, turn: -1 };
    this.seen = { wake: new Map(), source: new Map(), timer: new Map(), job: new Map(), spawn: new Map() };
    this.workerOf = new Map();
  }

  task(id) {
    let task = this.tasks.get(id);
    if (task === undefined) {
      task = { id, name: id === 0 ? "root" : `task ${id}`, spans: new Spans(), seqs: [], polls: [] };
      this.tasks.set(id, task);
    }
    return task;
  }

  /** Adds the next event. */
  note(event) {
    if (typeof event.task === "number") this.task(event.task).seqs.push(event.seq);
    const handler = HANDLERS[event.kind];
    const cause = handler === undefined ? undefined : handler(this, event);
    // By default, the cause of an event is the current poll.
    this.causeOf[event.seq] = cause ?? (event.thread === 0 ? this.last.poll : -1);
  }

  /** Ends all open spans at the end of the recording. */
  close(end) {
    const lanes = [this.turnSpans, this.waitSpans, this.pollSpans, ...this.jobSpans];
    for (const task of this.tasks.values()) lanes.push(task.spans);
    for (const lane of lanes) lane.end(end);
  }
}

/** How each kind of event is added. Returns the event that caused it, or -1 if there is none. */
const HANDLERS = {
  turn_begin(index, event) {
    index.turns.push(event.seq);
    index.turnSpans.begin(event.t, event.turn, event.seq);
    index.last.turn = event.seq;
    return -1;
  },
  turn_end(index, event) {
    index.turnSpans.end(event.t);
    return index.last.turn;
  },
  wait_begin(index, event) {
    index.waitSpans.begin(event.t, 0, event.seq);
    index.last.wait = event.seq;
    return -1;
  },
  wait_end(index, event) {
    index.waitSpans.end(event.t);
    return index.last.wait;
  },
  readiness(index, event) {
    index.seen.source.set(event.source, event.seq);
    return index.last.wait;
  },
  timer_set(index, event) {
    index.seen.timer.set(event.timer, event.seq);
  },
  timer_fire(index, event) {
    const set = index.seen.timer.get(event.timer) ?? -1;
    index.seen.timer.set(event.timer, event.seq);
    return set;
  },
  spawn(index, event) {
    index.seen.spawn.set(event.task, event.seq);
    const task = index.task(event.task);
    task.name = event.name;
    task.spans.begin(event.t, "waiting", event.seq);
  },
  poll_begin(index, event) {
    index.polls.push(event.seq);
    index.pollSpans.begin(event.t, event.task, event.seq);
    const task = index.task(event.task);
    task.polls.push(event.seq);
    task.spans.end(event.t);
    task.spans.begin(event.t, "polling", event.seq);
    task.isQueued = false;
    index.lags.push(event.delay ?? 0);
    index.last.poll = event.seq;
    let first = -1;
    for (const wake of event.wakes) {
      const woken = index.seen.wake.get(wake);
      if (woken === undefined) continue;
      index.seen.wake.delete(wake);
      index.ledTo[woken] = event.seq;
      if (first < 0) first = woken;
    }
    return first;
  },
  poll_end(index, event) {
    const poll = index.last.poll;
    index.last.poll = -1;
    index.pollSpans.end(event.t);
    const task = index.task(event.task);
    task.spans.end(event.t);
    if (!event.ready) task.spans.begin(event.t, task.isQueued ? "queued" : "waiting", event.seq);
    return poll;
  },
  wake(index, event) {
    index.seen.wake.set(event.wake, event.seq);
    const task = index.task(event.task);
    if (event.effect === "queued") {
      task.isQueued = true;
      const isPolled = task.spans.length > 0 && task.spans.what.at(-1) === "polling" && task.spans.to.at(-1) === Infinity;
      if (!isPolled) {
        task.spans.end(event.t);
        task.spans.begin(event.t, "queued", event.seq);
      }
    }
    switch (event.cause) {
      case "source": return index.seen.source.get(event.by) ?? -1;
      case "timer": return index.seen.timer.get(event.by) ?? -1;
      case "job": return index.seen.job.get(event.by) ?? -1;
      case "spawn": return index.seen.spawn.get(event.task) ?? -1;
      case "outside": return -1;
      default: return index.last.poll >= 0 ? index.last.poll : index.task(event.by ?? event.task).polls.at(-1) ?? -1;
    }
  },
  drop(index, event) {
    index.task(event.task).spans.end(event.t);
    return index.task(event.task).polls.at(-1) ?? -1;
  },
  done(index, event) {
    index.task(event.task).spans.end(event.t);
    return index.task(event.task).polls.at(-1) ?? -1;
  },
  state(index, event) {
    let future = index.futures.get(event.future);
    if (future === undefined) {
      future = { of: event.of, task: event.task, parent: event.parent, seqs: [] };
      index.futures.set(event.future, future);
    }
    future.seqs.push(event.seq);
  },
  job_add(index, event) {
    index.seen.job.set(event.job, event.seq);
  },
  job_start(index, event) {
    const worker = event.thread - 1;
    while (index.jobSpans.length <= worker) index.jobSpans.push(new Spans());
    index.jobSpans[worker]?.begin(event.t, event.job, event.seq);
    index.workerOf.set(event.job, worker);
    const added = index.seen.job.get(event.job) ?? -1;
    index.seen.job.set(event.job, event.seq);
    return added;
  },
  job_end(index, event) {
    index.jobSpans[index.workerOf.get(event.job)]?.end(event.t);
    index.workerOf.delete(event.job);
    const before = index.seen.job.get(event.job) ?? -1;
    index.seen.job.set(event.job, event.seq);
    return before;
  },
  diagnosis(index, event) {
    index.findings.push(event.seq);
  },
};

/** Returns the greatest element of a sorted list below `limit` (or equal, if `inclusive`), or -1. */
function lastBefore(list, limit, inclusive = false) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] < limit || (inclusive && list[middle] === limit)) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? -1 : list[low - 1];
}

/** Returns the least element of a sorted list above `limit`, or -1. */
function firstAfter(list, limit) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] > limit) high = middle;
    else low = middle + 1;
  }
  return low === list.length ? -1 : list[low];
}
