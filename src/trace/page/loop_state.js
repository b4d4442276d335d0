"use strict";
// The state of the loop after some events.
//
// `apply` adds the next event. An event cannot be removed again, so `history.js` keeps copies of earlier states. Copies are
// cheap, because they share their records (a task, a source, a future). To change a record, get it with `own`, which copies
// it first if another state may share it (copy on write). Lists inside a record are never changed, only replaced.

/** The number of ended tasks that are kept. */
const ENDED_TASKS_KEPT = 64;
/** The number of futures of a task above which those that have ended are removed. */
const FUTURES_KEPT = 6;

class LoopState {
  constructor(graphs) {
    /** The state machines of the futures, which show which states are final. */
    this.graphs = graphs;
    /** The records that no other state shares. */
    this.fresh = new Set();
    /** The number of events that have been applied. */
    this.applied = 0;
    this.time = 0;
    this.turn = 0;
    /** The phase of the turn: `drain`, `poll`, `wait`, `dispatch` or `timers`; `outside` between two turns. */
    this.phase = "outside";
    /** The task that is being polled, or null. */
    this.polling = null;
    /** During a wait: its timeout, the reason for the timeout, and the start of the wait. */
    this.wait = null;
    /** The ready queue: ids of tasks. */
    this.ready = [];
    this.tasks = new Map();
    this.futures = new Map();
    this.sources = new Map();
    this.timers = new Map();
    this.jobs = new Map();
    /** The job that each worker thread runs, or null. */
    this.workers = [];
    this.semaphores = new Map();
    /** The last tasks that ended. */
    this.ended = [];
    this.totals = {
      spawned: 0, ended: 0, polls: 0, wakes: 0, coalesced: 0, stale: 0,
      io: 0, would_block: 0, bytes_read: 0, bytes_written: 0, timers_fired: 0, jobs: 0, findings: 0, lost_events: 0,
    };
  }

  /** Returns an independent copy. */
  copy() {
    const copy = new LoopState(this.graphs);
    Object.assign(copy, this);
    for (const name of ["tasks", "futures", "sources", "timers", "jobs", "semaphores"]) copy[name] = new Map(this[name]);
    for (const name of ["ready", "workers", "ended"]) copy[name] = this[name].slice();
    copy.totals = { ...this.totals };
    // From now on, the two share all records.
    this.fresh = new Set();
    copy.fresh = new Set();
    return copy;
  }

  /** Applies the next event. */
  apply(event) {
    this.applied = event.seq + 1;
    this.time = event.t;
    this.turn = event.turn;
    const change = CHANGES[event.kind];
    if (change !== undefined) change(this, event);
  }

  /** Returns the state as plain data, which is the same for the same event, no matter how it was reached. */
  toJSON() {
    const { time, turn, phase, polling, wait, ready, workers, ended, totals } = this;
    const list = (name) => [...this[name].values()];
    return {
      seq: this.applied - 1, time, turn, phase, polling, wait, ready, tasks: list("tasks"), futures: list("futures"),
      sources: list("sources"), timers: list("timers"), jobs: list("jobs"), workers, semaphores: list("semaphores"),
      ended, totals,
    };
  }

  // -- Changing records ----------------------------------------------------------------------------------------

  /** Returns a record that may be changed, or undefined if there is none with this id. */
  own(records, id) {
    const record = records.get(id);
    if (record === undefined || this.fresh.has(record)) return record;
    return this.put(records, { ...record });
  }

  /** Adds a new record. */
  put(records, record) {
    this.fresh.add(record);
    records.set(record.id, record);
    return record;
  }

  /** Returns the record of a task, which may be changed. It is created if the recording has no `spawn` of the task. */
  task(id, event) {
    return this.own(this.tasks, id) ?? this.put(this.tasks, {
      id, name: id === 0 ? "root" : `task ${id}`, future: null, location: null, parent: null,
      began: event.seq, state: "waiting", since: event.t, polls: 0, polling_time: 0, delay: null,
      waiting_for: null, place: null, wakers: null, last_wake: null, using: [], futures: [], exchange: null,
    });
  }

  /** Notes that a task uses a source, timer, job or semaphore, for which it may wait later. */
  taskUses(id, event, what, number) {
    if (id === null) return;
    const task = this.task(id, event);
    const last = task.using.at(-1);
    if (last !== undefined && last[0] === what && last[1] === number) return;
    task.using = [...task.using.filter((use) => use[0] !== what || use[1] !== number), [what, number]];
  }

  taskNoLongerUses(id, what, number) {
    const using = this.tasks.get(id)?.using;
    if (using === undefined) return;
    const others = using.filter((use) => use[0] !== what || use[1] !== number);
    if (others.length === using.length) return;
    this.own(this.tasks, id).using = others;
    if (what === "semaphore") this.own(this.semaphores, number).waiting -= 1;
  }

  /** Removes a task that has ended, and its futures. */
  endTask(id, event, outcome) {
    const task = this.tasks.get(id);
    if (task === undefined) return;
    for (const future of task.futures) this.futures.delete(future);
    for (const [what, number] of task.using) if (what === "semaphore") this.own(this.semaphores, number).waiting -= 1;
    this.tasks.delete(id);
    this.takeFromReady(id);
    this.totals.ended += 1;
    const { name, polls, began } = task;
    this.ended.push({ id, name, outcome, polls, began, seq: event.seq });
    if (this.ended.length > ENDED_TASKS_KEPT) this.ended.shift();
  }

  /** Returns the record of a semaphore, which may be changed. */
  semaphore({ semaphore: id, free }) {
    const semaphore = this.own(this.semaphores, id) ?? this.put(this.semaphores, { id, free, waiting: 0 });
    semaphore.free = free;
    return semaphore;
  }

  takeFromReady(id) {
    const index = this.ready.indexOf(id);
    if (index >= 0) this.ready.splice(index, 1);
  }
}

/** How each kind of event changes the state. Other kinds change nothing except the time. */
const CHANGES = {
  run_begin(state, event) {
    while (state.workers.length < event.pool_threads) state.workers.push(null);
    // The root future is ready from the start, without a wake.
    Object.assign(state.task(0, event), { state: "queued", since: event.t });
    if (!state.ready.includes(0)) state.ready.push(0);
  },
  run_end(state) {
    state.phase = "outside";
    state.polling = null;
  },
  turn_begin(state) {
    state.phase = "drain";
  },
  turn_end(state) {
    state.phase = "outside";
  },
  wait_begin(state, event) {
    state.phase = "wait";
    state.wait = { timeout: event.timeout, why: event.why, since: event.t };
  },
  wait_end(state) {
    state.phase = "dispatch";
    state.wait = null;
  },

  // -- Sources -------------------------------------------------------------------------------------------------

  source_add(state, event) {
    const { source: id, task, what, descriptor, peer } = event;
    state.put(state.sources, { id, what, descriptor, peer, task, readiness: null, last_io: null, touched: event.seq });
    state.taskUses(task, event, "source", id);
  },
  source_del(state, event) {
    const source = state.sources.get(event.source);
    if (source === undefined) return;
    state.sources.delete(event.source);
    state.taskNoLongerUses(source.task, "source", event.source);
  },
  readiness(state, event) {
    if (event.stale) return;
    const source = state.own(state.sources, event.source);
    if (source === undefined) return;
    const flags = ["readable", "writable", "read_closed", "write_closed", "error"].filter((flag) => event[flag]);
    source.readiness = { flags, t: event.t, seq: event.seq };
    source.touched = event.seq;
  },
  io(state, event) {
    const { totals } = state;
    totals.io += 1;
    if (event.would_block) totals.would_block += 1;
    if (event.operation === "read") totals.bytes_read += event.bytes ?? 0;
    if (event.operation === "write") totals.bytes_written += event.bytes ?? 0;
    const source = state.own(state.sources, event.source);
    if (source === undefined) return;
    const outcome = event.would_block ? "would block" : event.eof ? "end of stream" : event.error ?? `${event.bytes} bytes`;
    const task = event.task ?? source.task;
    if (task !== source.task) state.taskNoLongerUses(source.task, "source", event.source);
    source.task = task;
    source.last_io = { operation: event.operation, outcome, seq: event.seq };
    source.touched = event.seq;
    state.taskUses(task, event, "source", event.source);
  },

  // -- Timers --------------------------------------------------------------------------------------------------

  timer_set(state, event) {
    const { timer: id, task, deadline } = event;
    state.put(state.timers, { id, task, deadline });
    state.taskUses(task, event, "timer", id);
  },
  timer_fire(state, event) {
    state.phase = "timers";
    state.totals.timers_fired += 1;
    forgetTimer(state, event.timer);
  },
  timer_del(state, event) {
    forgetTimer(state, event.timer);
  },

  // -- Tasks ---------------------------------------------------------------------------------------------------

  spawn(state, event) {
    const { task, parent, name, future, location } = event;
    state.totals.spawned += 1;
    Object.assign(state.task(task, event), { name, future, location, parent });
  },
  poll_begin(state, event) {
    state.phase = "poll";
    state.polling = event.task;
    state.totals.polls += 1;
    state.takeFromReady(event.task);
    const task = state.task(event.task, event);
    task.state = "polling";
    task.since = event.t;
    task.polls = event.number + 1;
    task.delay = event.delay;
    task.place = null;
  },
  poll_end(state, event) {
    state.polling = null;
    const task = state.task(event.task, event);
    task.polling_time += Math.max(0, event.t - task.since);
    task.since = event.t;
    if (event.ready) {
      task.state = "done";
      task.waiting_for = null;
      // There is no `done` event for the root future.
      if (event.task === 0) state.endTask(0, event, "finished");
      return;
    }
    task.state = state.ready.includes(event.task) ? "queued" : "waiting";
    task.waiting_for = event.waiting_for;
    task.wakers = event.wakers;
    task.place = placeOf(task.using, event.waiting_for);
  },
  wake(state, event) {
    const { totals } = state;
    const { wake, cause, by, effect, seq, t } = event;
    totals.wakes += 1;
    if (effect === "stale") {
      totals.stale += 1;
      return;
    }
    if (effect === "coalesced") totals.coalesced += 1;
    const task = state.task(event.task, event);
    task.last_wake = { wake, cause, by, effect, seq, t };
    if (effect !== "queued") return;
    if (event.task !== 0 || !state.ready.includes(0)) state.ready.push(event.task);
    if (state.polling === event.task) return;
    task.state = "queued";
    task.since = t;
  },
  drop(state, event) {
    if (state.tasks.has(event.task)) Object.assign(state.task(event.task, event), { state: "dropped", since: event.t });
  },
  done(state, event) {
    state.endTask(event.task, event, event.outcome);
  },
  state(state, event) {
    const { future: id, of, parent, from, to, t: since, seq } = event;
    const future = state.own(state.futures, id);
    if (future !== undefined) {
      Object.assign(future, { task: event.task ?? future.task, state: to, from, since, seq, changes: future.changes + 1 });
      return;
    }
    state.put(state.futures, { id, of, parent, task: event.task, state: to, from, since, seq, changes: 1 });
    if (event.task === null) return;
    const task = state.task(event.task, event);
    task.futures = [...withoutEnded(state, task.futures), id];
  },

  // -- Semaphores ----------------------------------------------------------------------------------------------

  semaphore_wait(state, event) {
    const semaphore = state.semaphore(event);
    if (event.task === null) return;
    // A task that waits in several futures is counted once.
    const { using } = state.task(event.task, event);
    if (!using.some(([what, id]) => what === "semaphore" && id === event.semaphore)) semaphore.waiting += 1;
    state.taskUses(event.task, event, "semaphore", event.semaphore);
  },
  semaphore_take(state, event) {
    state.semaphore(event);
    state.taskNoLongerUses(event.task, "semaphore", event.semaphore);
  },
  semaphore_free(state, event) {
    state.semaphore(event);
  },

  // -- Jobs ----------------------------------------------------------------------------------------------------

  job_add(state, event) {
    const { job: id, task, label, bytes, t: since } = event;
    state.totals.jobs += 1;
    state.put(state.jobs, { id, task, label, bytes, state: "queued", worker: null, since });
    state.taskUses(task, event, "job", id);
  },
  job_start(state, event) {
    const job = state.own(state.jobs, event.job);
    if (job === undefined) return;
    Object.assign(job, { state: "running", worker: event.thread, since: event.t });
    while (state.workers.length < event.thread) state.workers.push(null);
    state.workers[event.thread - 1] = event.job;
  },
  job_end(state, event) {
    const job = state.jobs.get(event.job);
    if (job === undefined) return;
    if (state.workers[job.worker - 1] === event.job) state.workers[job.worker - 1] = null;
    state.jobs.delete(event.job);
    state.taskNoLongerUses(job.task, "job", event.job);
  },

  // -- HTTP, findings and missing events -----------------------------------------------------------------------

  http(state, event) {
    if (event.task === null) return;
    const task = state.task(event.task, event);
    const same = task.exchange?.id === event.exchange ? task.exchange : { status: null, bytes: 0 };
    task.exchange = {
      id: event.exchange, step: event.step, status: event.status ?? same.status, bytes: same.bytes + (event.bytes ?? 0),
    };
  },
  diagnosis(state) {
    state.totals.findings += 1;
  },
  dropped(state, event) {
    state.totals.lost_events += event.number;
  },
};

function forgetTimer(state, id) {
  const timer = state.timers.get(id);
  if (timer === undefined) return;
  state.timers.delete(id);
  state.taskNoLongerUses(timer.task, "timer", id);
}

/** If there are many futures, removes the oldest one that has ended. */
function withoutEnded(state, futures) {
  if (futures.length < FUTURES_KEPT) return futures;
  const index = futures.findIndex((id) => {
    const future = state.futures.get(id);
    return isLast(state.graphs, future.of, future.state);
  });
  if (index < 0) return futures;
  state.futures.delete(futures[index]);
  return [...futures.slice(0, index), ...futures.slice(index + 1)];
}

/** The wait reasons for things that have a place in the panel "Loop state". */
const WAITS_FOR = { "a permit": "semaphore", "a job": "job", "a timer": "timer" };
/** The wait reasons for things that have none. */
const WAITS_ELSEWHERE = new Set([
  "a task", "a message", "an event", "a oneshot", "the next task of a set", "its next poll", "a name's addresses",
  "capacity in the pool's queue",
]);

/**
 * Returns what a task waits at: the last source, timer, job or semaphore that it used, if it matches the wait reason. Null
 * if the task waits for something else, for example another task.
 */
function placeOf(using, reason) {
  if (WAITS_ELSEWHERE.has(reason)) return null;
  const type = WAITS_FOR[reason];
  for (const what of type === undefined ? ["source", "job", "timer"] : [type]) {
    const use = using.findLast((candidate) => candidate[0] === what);
    if (use !== undefined) return { at: use[0], id: use[1] };
  }
  return null;
}
