"use strict";
// Panel 3, the loop state: ready queue, current poll, sources, timers, pool and semaphores. Each task has one chip, shown
// where the task is: in the queue, in its poll, or at the source that it waits for. Moves of chips are animated.

/** The number of items of each list that are shown before "and N more". */
const SHOWN = { ready: 40, sources: 10, timers: 8, jobs: 12, elsewhere: 40, semaphore: 18 };
/** The heights of rows in pixels, which must match the style sheet. */
const ROW_HEIGHTS = { source: 34, timer: 32 };
/** The loop registers every source once, for both directions. */
const INTEREST = "R W";
/** With more chips than this there is no animation: it would be confusing and slow. */
const MAX_ANIMATED = 120;
/** Nor after a jump over more events than this. */
const MAX_ANIMATED_JUMP = 200;

const PHASES = [
  ["drain", "drain inbox"], ["poll", "poll tasks"], ["wait", "wait for events"],
  ["dispatch", "dispatch I/O"], ["timers", "fire timers"],
];

class StatePanel {
  constructor(player) {
    this.player = player;
    this.chips = new Map(); // task -> chip
    this.showsAll = new Set(); // lists that are shown in full
    this.moreButtons = {}; // list -> the button that shows the rest of it
    const find = (id) => document.getElementById(id);
    this.parts = Object.fromEntries(
      ["phases", "phase-note", "ready", "polling", "sources", "timers", "queue", "workers", "semaphores", "elsewhere"]
        .map((name) => [name, find(`loop-${name}`)]),
    );
    for (const [name, words] of PHASES) this.parts.phases.append(make("li", { "data-phase": name }, words));
    this.reserveSpace(player.index.max);
    for (const button of document.querySelectorAll("button[data-more]")) {
      const { more } = button.dataset;
      this.moreButtons[more] = button;
      button.addEventListener("click", () => {
        if (!this.showsAll.delete(more)) this.showsAll.add(more);
        this.update(this.player);
      });
    }
  }

  /** Reserves space for the maximum number of rows, so that the layout does not change while stepping. */
  reserveSpace({ sources, timers }) {
    this.parts.sources.parentNode.parentNode.style.minHeight = `${30 + ROW_HEIGHTS.source * Math.min(sources, SHOWN.sources)}px`;
    this.parts.timers.style.minHeight = `${ROW_HEIGHTS.timer * Math.min(timers, SHOWN.timers)}px`;
  }

  update({ seq, state }) {
    if (state === null) return;
    const isNear = Math.abs(seq - (this.shownSeq ?? -Infinity)) <= MAX_ANIMATED_JUMP;
    this.shownSeq = seq;
    const before = isNear ? this.placesOfChips() : new Map();
    const focused = document.activeElement;
    this.seats = new Map(); // element -> the tasks whose chips it contains
    this.showPhase(state);
    this.seat(this.parts.ready, this.limited("ready", state.ready));
    this.seat(this.parts.polling, state.polling === null ? [] : [state.polling]);
    const waiting = this.waitingTasks(state);
    this.showSources(state, waiting);
    this.showTimers(state, waiting);
    this.showPool(state, waiting);
    this.showSemaphores(state, waiting);
    this.showElsewhere(waiting);
    for (const [element, tasks] of this.seats) this.fillSeat(element, tasks, state);
    for (const id of this.chips.keys()) if (!state.tasks.has(id)) this.chips.delete(id);
    // An element that is moved in the document loses the focus.
    if (focused !== document.activeElement && focused?.isConnected && focused.classList.contains("chip")) focused.focus({ preventScroll: true });
    this.animate(before);
  }

  /** Returns the waiting tasks by what they wait at: `source 3` -> tasks. The key of tasks without a place is null. */
  waitingTasks(state) {
    const waiting = new Map();
    const ready = new Set(state.ready);
    for (const task of state.tasks.values()) {
      if (ready.has(task.id) || state.polling === task.id) continue;
      const key = task.place === null ? null : `${task.place.at} ${task.place.id}`;
      const tasks = waiting.get(key);
      if (tasks === undefined) waiting.set(key, [task.id]);
      else tasks.push(task.id);
    }
    return waiting;
  }

  /** Returns the items of a list to show, and updates the button for the rest. */
  limited(name, list) {
    const button = this.moreButtons[name];
    const showsAll = this.showsAll.has(name);
    const hidden = list.length - SHOWN[name];
    button.hidden = hidden <= 0;
    if (hidden > 0) setText(button, showsAll ? "Show fewer" : `and ${count(hidden)} more`);
    setText(document.getElementById(`count-${name}`), count(list.length));
    return showsAll ? list : list.slice(0, SHOWN[name]);
  }

  showPhase(state) {
    for (const item of this.parts.phases.children) {
      setAttribute(item, "aria-current", item.dataset.phase === state.phase ? "step" : null);
    }
    const { wait } = state;
    setText(this.parts["phase-note"],
      wait !== null
        ? `waiting, ${wait.timeout === null ? "no timeout" : `timeout ${duration(wait.timeout)}`} (${wait.why})`
        : state.phase === "outside" ? "between turns" : "");
  }

  // -- The parts of the panel ----------------------------------------------------------------------------------

  showSources(state, waiting) {
    let sources = [...state.sources.values()];
    const { selected } = this.player;
    if (sources.length > SHOWN.sources && !this.showsAll.has("sources")) {
      // Shows those with the latest events, and that of the selected task, sorted by number.
      sources.sort((a, b) => (b.task === selected) - (a.task === selected) || b.touched - a.touched);
      const first = sources.slice(0, SHOWN.sources).sort((a, b) => a.id - b.id);
      sources = [...first, ...sources.slice(SHOWN.sources)];
    }
    keepChildren(
      this.parts.sources, this.limited("sources", sources), (source) => source.id,
      () => make("tr", {}, make("th", { scope: "row" }), make("td"), make("td", { title: "reading and writing" }, INTEREST), make("td"), make("td"), make("td.seat")),
      (row, source) => {
        const [name, peer, , readiness, io, seat] = row.children;
        setText(name, `${source.id}`);
        setText(peer, source.peer === null ? source.what : `${source.what} ${source.peer}`);
        setAttribute(peer, "title", source.descriptor === null ? null : `descriptor ${source.descriptor}`);
        const { readiness: last, last_io } = source;
        setText(readiness, last === null ? "none yet" : last.flags.map((flag) => flag.replace("_", " ")).join(", ") || "none");
        setAttribute(readiness, "title", last === null ? null : `${duration(state.time - last.t)} ago`);
        setAttribute(row, "data-fresh", last !== null && last.seq === state.applied - 1 ? "" : null);
        setText(io, last_io === null ? "–" : `${last_io.operation}: ${last_io.outcome}`);
        this.seat(seat, waiting.get(`source ${source.id}`) ?? []);
      },
    );
  }

  showTimers(state, waiting) {
    const timers = [...state.timers.values()].sort((a, b) => a.deadline - b.deadline || a.id - b.id);
    keepChildren(
      this.parts.timers, this.limited("timers", timers), (timer) => timer.id,
      () => make("li", {}, make("span.id"), make("span.bar", {}, make("i")), make("span.left"), make("span.seat")),
      (item, timer) => {
        const [name, bar, left, seat] = item.children;
        const time = timer.deadline - state.time;
        setText(name, `timer ${timer.id}`);
        // Logarithmic: the bar is empty at 1 µs and full at 100 s.
        const part = Math.max(0, Math.min(1, Math.log10(Math.max(1, time / 1e3)) / 8));
        bar.firstChild.style.width = `${(part * 100).toFixed(1)}%`;
        setText(left, time < 0 ? `due ${duration(-time)} ago` : duration(time));
        const tasks = waiting.get(`timer ${timer.id}`) ?? [];
        this.seat(seat, tasks);
        setAttribute(item, "title", timer.task === null ? null : `set by ${this.player.nameOf(timer.task)}`);
      },
    );
  }

  showPool(state, waiting) {
    const jobs = [...state.jobs.values()];
    const queued = this.limited("jobs", jobs.filter((job) => job.state === "queued"));
    this.jobs ??= new Map(); // job -> card, which moves from the queue to the worker
    for (const id of this.jobs.keys()) if (!state.jobs.has(id)) this.jobs.delete(id);
    const card = (job) => {
      let element = this.jobs.get(job.id);
      if (element === undefined) {
        element = make("span.job", {}, make("b"), make("span.seat"));
        this.jobs.set(job.id, element);
      }
      setText(element.firstChild, `job ${job.id} · ${job.label}${job.bytes > 0 ? ` · ${bytes(job.bytes)}` : ""}`);
      this.seat(element.lastChild, waiting.get(`job ${job.id}`) ?? []);
      return element;
    };
    keepChildren(this.parts.queue, queued, (job) => job.id, card, (_, job) => card(job));
    keepChildren(
      this.parts.workers, state.workers.map((job, i) => ({ worker: i + 1, job })), ({ worker }) => worker,
      ({ worker }) => make("li", {}, make("span.id", {}, `worker ${worker}`), make("span.bench"), make("span.left")),
      (item, { job: id }) => {
        const [, bench, time] = item.children;
        const job = id === null ? undefined : state.jobs.get(id);
        keepChildren(bench, job === undefined ? [] : [job], ({ id }) => id, card, (_, job) => card(job));
        setAttribute(item, "data-idle", job === undefined ? "" : null);
        setText(time, job === undefined ? "idle" : duration(Math.max(0, state.time - job.since)));
      },
    );
  }

  showSemaphores(state, waiting) {
    keepChildren(
      this.parts.semaphores, state.semaphores.values(), (semaphore) => semaphore.id,
      () => make("li", {}, make("span.id"), make("span.left"), make("span.seat")),
      (item, semaphore) => {
        const [name, free, seat] = item.children;
        setText(name, `semaphore ${semaphore.id}`);
        const tasks = waiting.get(`semaphore ${semaphore.id}`) ?? [];
        const more = tasks.length > SHOWN.semaphore ? `, of which ${SHOWN.semaphore} are shown` : "";
        setText(free, `${count(semaphore.free)} free${tasks.length > 0 ? `, ${count(tasks.length)} waiting${more}` : ""}`);
        this.seat(seat, tasks.slice(0, SHOWN.semaphore));
      },
    );
  }

  /** Shows the tasks that wait for something without a place in this panel: other tasks, messages and so on. */
  showElsewhere(waiting) {
    this.seat(this.parts.elsewhere, this.limited("elsewhere", waiting.get(null) ?? []));
  }

  // -- Chips ---------------------------------------------------------------------------------------------------

  seat(element, tasks) {
    this.seats.set(element, tasks);
  }

  fillSeat(element, tasks, state) {
    keepChildren(element, tasks, (task) => task, (task) => this.chip(task), (chip, task) => {
      const { state: taskState } = state.tasks.get(task) ?? { state: "waiting" };
      setAttribute(chip, "data-state", taskState);
      setAttribute(chip, "aria-pressed", this.player.selected === task);
    });
  }

  chip(task) {
    let chip = this.chips.get(task);
    if (chip === undefined) {
      chip = make("button.chip", { type: "button", click: () => this.player.select(task), title: `Select task ${task}` },
        this.player.nameOf(task));
      this.chips.set(task, chip);
    }
    return chip;
  }

  placesOfChips() {
    const places = new Map();
    const elements = [...this.chips.values(), ...(this.jobs?.values() ?? [])];
    if (elements.length > MAX_ANIMATED) return places;
    for (const element of elements) if (element.isConnected) places.set(element, element.getBoundingClientRect());
    return places;
  }

  /**
   * Animates the chips that have moved: a transform puts each back to its old position, and the style sheet's transition
   * then removes the transform. With `prefers-reduced-motion` there is no transition.
   */
  animate(before) {
    const moving = [];
    for (const [chip, from] of before) {
      if (!chip.isConnected) continue;
      const to = chip.getBoundingClientRect();
      const x = from.left - to.left, y = from.top - to.top;
      if (Math.abs(x) + Math.abs(y) < 2) continue;
      // A chip inside the card of a job moves with the card.
      if (chip.classList.contains("chip") && chip.closest(".job") !== null && before.has(chip.closest(".job"))) continue;
      moving.push(chip);
      chip.classList.add("moving");
      chip.style.transform = `translate(${x}px, ${y}px)`;
    }
    if (moving.length === 0) return;
    void document.body.offsetWidth; // forces a layout, so that the transition has a starting point
    for (const chip of moving) {
      chip.classList.remove("moving");
      chip.style.transform = "";
    }
  }
}
