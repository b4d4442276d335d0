"use strict";
// The loop's whole state, folded from its events.
//
// `LoopState` is the state; `apply` takes it one event further. There is no way to take an event back, so `StateHistory`
// keeps a copy of the state every few thousand events and folds forwards from the nearest one before. Copies are
// cheap because the records inside (a task, a source, a timer) are never changed, only replaced: a copy shares them.

/** How many ended tasks are remembered. */
const ENDED_TASKS_KEPT = 64;
/** How many futures of a task are remembered before those that have ended are forgotten. */
const FUTURES_KEPT = 6;

class LoopState {
  constructor(graphs) {
    /** The state machines of the recording's futures, to know which states are last ones. */
    this.graphs = graphs;
    /** How many events have been folded in. */
    this.applied = 0;
    this.time = 0;
    this.turn = 0;
    /** Where the loop is: `outside`, or in its turn at `hear`, `poll`, `wait`, `dispatch`, `timers`. */
    this.stage = "outside";
    /** The task that is being polled, or null. */
    this.polling = null;
    /** While the loop sleeps: for how long at most, why, and since when. */
    this.wait = null;
    /** The ready queue: ids of tasks. */
    this.ready = [];
    this.tasks = new Map();
    this.futures = new Map();
    this.sources = new Map();
    this.timers = new Map();
    this.jobs = new Map();
    /** One entry a worker thread: the job it runs, or null. */
    this.workers = [];
    this.semaphores = new Map();
    /** The tasks that ended last. */
    this.ended = [];
    this.totals = {
      spawned: 0, ended: 0, polls: 0, wakes: 0, coalesced: 0, stale: 0,
      io: 0, would_block: 0, bytes_read: 0, bytes_written: 0, timers_fired: 0, jobs: 0, findings: 0, lost_events: 0,
    };
  }

  /** A copy that does not change when this one does. */
  copy() {
    const copy = new LoopState(this.graphs);
    Object.assign(copy, this);
    for (const name of ["tasks", "futures", "sources", "timers", "jobs", "semaphores"]) copy[name] = new Map(this[name]);
    for (const name of ["ready", "workers", "ended"]) copy[name] = this[name].slice();
    copy.totals = { ...this.totals };
    return copy;
  }

  /** Takes the state one event further. */
  apply(event) {
    this.applied = event.seq + 1;
    this.time = event.t;
    this.turn = event.turn;
    const change = CHANGES[event.kind];
    if (change !== undefined) change(this, event);
  }

  /** The state as plain data: the same for the same moment, however it was reached. */
  toJSON() {
    const { time, turn, stage, polling, wait, ready, workers, ended, totals } = this;
    const list = (name) => [...this[name].values()];
    return {
      seq: this.applied - 1, time, turn, stage, polling, wait, ready, tasks: list("tasks"), futures: list("futures"),
      sources: list("sources"), timers: list("timers"), jobs: list("jobs"), workers, semaphores: list("semaphores"),
      ended, totals,
    };
  }

  // -- Replacing records ---------------------------------------------------------------------------------------

  /** A task's record; a fresh one if the recording never said that it began. */
  task(id, event) {
    return this.tasks.get(id) ?? {
      id, name: id === 0 ? "root" : `task ${id}`, future: null, location: null, parent: null,
      began: event.seq, state: "waiting", since: event.t, polls: 0, polling_time: 0, delay: null,
      waiting_for: null, place: null, wakers: null, last_wake: null, using: [], futures: [], exchange: null,
    };
  }

  changeTask(id, event, changes) {
    if (id === null) return;
    this.tasks.set(id, { ...this.task(id, event), ...changes });
  }

  /** Notes that a task uses a source, timer, job or semaphore, so that it may come to wait for it. */
  taskUses(id, event, what, number) {
    if (id === null) return;
    const { using } = this.task(id, event);
    const last = using[using.length - 1];
    if (last !== undefined && last[0] === what && last[1] === number) return;
    const others = using.filter((use) => use[0] !== what || use[1] !== number);
    this.changeTask(id, event, { using: [...others, [what, number]] });
  }

  taskNoLongerUses(id, what, number) {
    const task = this.tasks.get(id);
    if (task === undefined) return;
    const using = task.using.filter((use) => use[0] !== what || use[1] !== number);
    if (using.length === task.using.length) return;
    this.tasks.set(id, { ...task, using });
    if (what === "semaphore") this.waitsNoLonger(number);
  }

  waitsNoLonger(id) {
    const semaphore = this.semaphores.get(id);
    this.semaphores.set(id, { ...semaphore, waiting: semaphore.waiting - 1 });
  }

  /** A task is gone, and what lived in it. */
  endTask(id, event, outcome) {
    const task = this.tasks.get(id);
    if (task === undefined) return;
    for (const future of task.futures) this.futures.delete(future);
    for (const [what, number] of task.using) if (what === "semaphore") this.waitsNoLonger(number);
    this.tasks.delete(id);
    this.takeFromReady(id);
    this.totals.ended += 1;
    const { name, polls, began } = task;
    this.ended.push({ id, name, outcome, polls, began, seq: event.seq });
    if (this.ended.length > ENDED_TASKS_KEPT) this.ended.shift();
  }

  takeFromReady(id) {
    const index = this.ready.indexOf(id);
    if (index >= 0) this.ready.splice(index, 1);
  }
}

/**
 * What each kind of event changes. Kinds that are not here change nothing but the time.
 */
const CHANGES = {
  run_begin(state, event) {
    while (state.workers.length < event.pool_threads) state.workers.push(null);
    // The root is ready from the start: no wake tells of it.
    state.changeTask(0, event, { state: "queued", since: event.t });
    if (!state.ready.includes(0)) state.ready.push(0);
  },
  run_end(state) {
    state.stage = "outside";
    state.polling = null;
  },
  turn_begin(state) {
    state.stage = "hear";
  },
  turn_end(state) {
    state.stage = "outside";
  },
  wait_begin(state, event) {
    state.stage = "wait";
    state.wait = { timeout: event.timeout, why: event.why, since: event.t };
  },
  wait_end(state) {
    state.stage = "dispatch";
    state.wait = null;
  },

  // -- Sources -------------------------------------------------------------------------------------------------

  source_add(state, event) {
    const { source: id, task, what, descriptor, peer } = event;
    state.sources.set(id, { id, what, descriptor, peer, task, readiness: null, last_io: null, touched: event.seq });
    state.taskUses(task, event, "source", id);
  },
  source_del(state, event) {
    const source = state.sources.get(event.source);
    if (source === undefined) return;
    state.sources.delete(event.source);
    state.taskNoLongerUses(source.task, "source", event.source);
  },
  readiness(state, event) {
    const source = state.sources.get(event.source);
    if (source === undefined || event.stale) return;
    const flags = ["readable", "writable", "read_closed", "write_closed", "error"].filter((flag) => event[flag]);
    state.sources.set(event.source, { ...source, readiness: { flags, t: event.t, seq: event.seq }, touched: event.seq });
  },
  io(state, event) {
    const { totals } = state;
    totals.io += 1;
    if (event.would_block) totals.would_block += 1;
    if (event.operation === "read") totals.bytes_read += event.bytes ?? 0;
    if (event.operation === "write") totals.bytes_written += event.bytes ?? 0;
    const source = state.sources.get(event.source);
    if (source === undefined) return;
    const outcome = event.would_block ? "would block" : event.eof ? "end of stream" : event.error ?? `${event.bytes} bytes`;
    const task = event.task ?? source.task;
    if (task !== source.task) state.taskNoLongerUses(source.task, "source", event.source);
    const last_io = { operation: event.operation, outcome, seq: event.seq };
    state.sources.set(event.source, { ...source, task, last_io, touched: event.seq });
    state.taskUses(task, event, "source", event.source);
  },

  // -- Timers --------------------------------------------------------------------------------------------------

  timer_set(state, event) {
    const { timer: id, task, deadline } = event;
    state.timers.set(id, { id, task, deadline });
    state.taskUses(task, event, "timer", id);
  },
  timer_fire(state, event) {
    state.stage = "timers";
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
    state.changeTask(task, event, { name, future, location, parent });
  },
  poll_begin(state, event) {
    state.stage = "poll";
    state.polling = event.task;
    state.totals.polls += 1;
    state.takeFromReady(event.task);
    const { number, delay } = event;
    state.changeTask(event.task, event, { state: "polling", since: event.t, polls: number + 1, delay, place: null });
  },
  poll_end(state, event) {
    state.polling = null;
    const task = state.task(event.task, event);
    const polling_time = task.polling_time + Math.max(0, event.t - task.since);
    if (event.ready) {
      state.changeTask(event.task, event, { state: "done", since: event.t, polling_time, waiting_for: null });
      // The root has no `done` of its own.
      if (event.task === 0) state.endTask(0, event, "finished");
      return;
    }
    state.changeTask(event.task, event, {
      state: state.ready.includes(event.task) ? "queued" : "waiting",
      since: event.t, polling_time, waiting_for: event.waiting_for, wakers: event.wakers,
      place: placeOf(task.using, event.waiting_for),
    });
  },
  wake(state, event) {
    const { totals } = state;
    totals.wakes += 1;
    if (event.effect === "stale") {
      totals.stale += 1;
      return;
    }
    if (event.effect === "coalesced") totals.coalesced += 1;
    const { wake, cause, by, effect, seq, t } = event;
    const changes = { last_wake: { wake, cause, by, effect, seq, t } };
    if (effect === "queued") {
      if (event.task !== 0 || !state.ready.includes(0)) state.ready.push(event.task);
      if (state.polling !== event.task) Object.assign(changes, { state: "queued", since: t });
    }
    state.changeTask(event.task, event, changes);
  },
  drop(state, event) {
    if (state.tasks.has(event.task)) state.changeTask(event.task, event, { state: "dropped", since: event.t });
  },
  done(state, event) {
    state.endTask(event.task, event, event.outcome);
  },
  state(state, event) {
    const { future: id, of, parent, from, to, t: since, seq } = event;
    const before = state.futures.get(id);
    const task = event.task ?? before?.task ?? null;
    state.futures.set(id, { id, of, parent, task, state: to, from, since, seq, changes: (before?.changes ?? 0) + 1 });
    if (before === undefined && task !== null) {
      const futures = withoutEnded(state, state.task(task, event).futures);
      state.changeTask(task, event, { futures: [...futures, id] });
    }
  },

  // -- Semaphores ----------------------------------------------------------------------------------------------

  semaphore_wait(state, event) {
    const { semaphore: id, task, free } = event;
    const waiting = (state.semaphores.get(id)?.waiting ?? 0) + 1;
    state.semaphores.set(id, { id, free, waiting });
    state.taskUses(task, event, "semaphore", id);
  },
  semaphore_take(state, event) {
    const { semaphore: id, task, free } = event;
    state.taskNoLongerUses(task, "semaphore", id);
    state.semaphores.set(id, { id, free, waiting: state.semaphores.get(id)?.waiting ?? 0 });
  },
  semaphore_free(state, event) {
    const { semaphore: id, free } = event;
    state.semaphores.set(id, { id, free, waiting: state.semaphores.get(id)?.waiting ?? 0 });
  },

  // -- Jobs ----------------------------------------------------------------------------------------------------

  job_add(state, event) {
    const { job: id, task, label, bytes, t: since } = event;
    state.totals.jobs += 1;
    state.jobs.set(id, { id, task, label, bytes, state: "queued", worker: null, since });
    state.taskUses(task, event, "job", id);
  },
  job_start(state, event) {
    const job = state.jobs.get(event.job);
    if (job === undefined) return;
    state.jobs.set(event.job, { ...job, state: "running", worker: event.thread, since: event.t });
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

  // -- What higher rooms add -----------------------------------------------------------------------------------

  http(state, event) {
    if (event.task === null) return;
    const before = state.task(event.task, event).exchange;
    const same = before !== null && before.id === event.exchange ? before : { status: null, bytes: 0 };
    const exchange = {
      id: event.exchange, step: event.step, status: event.status ?? same.status, bytes: same.bytes + (event.bytes ?? 0),
    };
    state.changeTask(event.task, event, { exchange });
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

/** Forgets futures that have ended, the oldest first, when there are many. */
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

/** What a task says that it waits for, when it waits for neither input nor output. */
const WAITS_FOR = { "a permit": "semaphore", "a job": "job", "a timer": "timer" };
const WAITS_ELSEWHERE = new Set([
  "a task", "a message", "an event", "a oneshot", "the next task of a set", "its next turn", "a name's addresses",
  "room in the pool's queue",
]);

/**
 * Where a task that waits is to be looked for: at the source, timer, job or semaphore that it used last and that
 * fits its own words. Null if it waits for something else, another task for example.
 */
function placeOf(using, words) {
  if (WAITS_ELSEWHERE.has(words)) return null;
  const wanted = WAITS_FOR[words];
  for (const what of wanted === undefined ? ["source", "job", "timer"] : [wanted]) {
    const use = using.findLast((candidate) => candidate[0] === what);
    if (use !== undefined) return { at: use[0], id: use[1] };
  }
  return null;
}

/** Any moment of the run. */
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
