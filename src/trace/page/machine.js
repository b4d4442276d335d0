"use strict";
// Panel 3, the machine: ready queue, polling, sources, timers, pool, semaphores. Each living task is one chip, which
// stands wherever the task is: on the queue, being polled, at the source it waits for. When it moves, one sees it move.

/** How many of each are shown before "and N more". */
const SHOWN = { ready: 40, sources: 10, timers: 8, jobs: 12, elsewhere: 40, semaphore: 18 };
/** The height of a row in pixels, as the style sheet has it. */
const ROW_HEIGHTS = { source: 34, timer: 32 };
/** The loop registers every source once, for both directions, and keeps it so. */
const INTEREST = "R W";
/** Above this many chips nothing flies: it would be a swarm, and slow. */
const MOST_FLYING = 120;
/** Nor after a jump over more events than this: nobody could follow. */
const LONGEST_FLIGHT = 200;

const STAGES = [
  ["hear", "hear other threads"], ["poll", "poll ready tasks"], ["wait", "wait"],
  ["dispatch", "dispatch readiness"], ["timers", "fire timers"],
];

class Machine {
  constructor(player) {
    this.player = player;
    this.chips = new Map(); // task -> its chip
    this.showsAll = new Set(); // lists that are shown in full
    this.moreButtons = {}; // the button under each list that shows the rest
    const find = (id) => document.getElementById(id);
    this.parts = Object.fromEntries(
      ["stages", "stage-note", "ready", "polling", "sources", "timers", "queue", "workers", "semaphores", "elsewhere"]
        .map((name) => [name, find(`machine-${name}`)]),
    );
    for (const [name, words] of STAGES) this.parts.stages.append(make("li", { "data-stage": name }, words));
    this.keepRoom(player.index.most);
    for (const button of document.querySelectorAll("button[data-more]")) {
      const { more } = button.dataset;
      this.moreButtons[more] = button;
      button.addEventListener("click", () => {
        if (!this.showsAll.delete(more)) this.showsAll.add(more);
        this.update(this.player);
      });
    }
  }

  /** Keeps room for as many rows as there will be, so that the page does not jump while one steps through it. */
  keepRoom({ sources, timers }) {
    this.parts.sources.parentNode.parentNode.style.minHeight = `${30 + ROW_HEIGHTS.source * Math.min(sources, SHOWN.sources)}px`;
    this.parts.timers.style.minHeight = `${ROW_HEIGHTS.timer * Math.min(timers, SHOWN.timers)}px`;
  }

  update({ seq, state }) {
    if (state === null) return;
    const isNear = Math.abs(seq - (this.shownSeq ?? -Infinity)) <= LONGEST_FLIGHT;
    this.shownSeq = seq;
    const before = isNear ? this.placesOfChips() : new Map();
    const focused = document.activeElement;
    this.seats = new Map(); // element -> the tasks that stand in it
    this.showStage(state);
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
    // An element that moves in the document loses the focus.
    if (focused !== document.activeElement && focused?.isConnected && focused.classList.contains("chip")) focused.focus({ preventScroll: true });
    this.fly(before);
  }

  /** The tasks that wait, by what they wait at: `source 3` -> tasks. Those that wait for nothing here are at `null`. */
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

  /** The first few of a list, and the button that shows the rest. */
  limited(name, list) {
    const button = this.moreButtons[name];
    const showsAll = this.showsAll.has(name);
    const hidden = list.length - SHOWN[name];
    button.hidden = hidden <= 0;
    if (hidden > 0) setText(button, showsAll ? "Show fewer" : `and ${count(hidden)} more`);
    setText(document.getElementById(`count-${name}`), count(list.length));
    return showsAll ? list : list.slice(0, SHOWN[name]);
  }

  showStage(state) {
    for (const item of this.parts.stages.children) {
      setAttribute(item, "aria-current", item.dataset.stage === state.stage ? "step" : null);
    }
    const { wait } = state;
    setText(this.parts["stage-note"],
      wait !== null
        ? `asleep for ${wait.timeout === null ? "as long as it takes" : `at most ${duration(wait.timeout)}`} (${wait.why})`
        : state.stage === "outside" ? "between turns" : "");
  }

  // -- The stations --------------------------------------------------------------------------------------------

  showSources(state, waiting) {
    let sources = [...state.sources.values()];
    const { selected } = this.player;
    if (sources.length > SHOWN.sources && !this.showsAll.has("sources")) {
      // Those where something happened last, and the selected task's, in the order of their numbers.
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
        setText(readiness, last === null ? "none yet" : last.flags.map((flag) => flag.replace("_", " ")).join(", ") || "nothing");
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
        // A logarithm again: 1 µs is nothing, 100 s is full.
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
    this.jobs ??= new Map(); // job -> its card: one card from the queue to the worker
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
        const more = tasks.length > SHOWN.semaphore ? ", the first of them:" : "";
        setText(free, `${count(semaphore.free)} free${tasks.length > 0 ? `, ${count(tasks.length)} waiting${more}` : ""}`);
        this.seat(seat, tasks.slice(0, SHOWN.semaphore));
      },
    );
  }

  /** Tasks that wait for other tasks, for messages, for whatever has no station of its own. */
  showElsewhere(waiting) {
    this.seat(this.parts.elsewhere, this.limited("elsewhere", waiting.get(null) ?? []));
  }

  // -- Chips ---------------------------------------------------------------------------------------------------

  seat(element, tasks) {
    this.seats.set(element, tasks);
  }

  fillSeat(element, tasks, state) {
    keepChildren(element, tasks, (task) => task, (task) => this.chip(task), (chip, task) => {
      const { state: stands } = state.tasks.get(task) ?? { state: "waiting" };
      setAttribute(chip, "data-state", stands);
      setAttribute(chip, "aria-pressed", this.player.selected === task);
    });
  }

  chip(task) {
    let chip = this.chips.get(task);
    if (chip === undefined) {
      chip = make("button.chip", { type: "button", click: () => this.player.select(task), title: `task ${task}: select it` },
        this.player.nameOf(task));
      this.chips.set(task, chip);
    }
    return chip;
  }

  placesOfChips() {
    const places = new Map();
    const things = [...this.chips.values(), ...(this.jobs?.values() ?? [])];
    if (things.length > MOST_FLYING) return places;
    for (const thing of things) if (thing.isConnected) places.set(thing, thing.getBoundingClientRect());
    return places;
  }

  /**
   * Lets every chip that has moved fly from where it was: it is put back there by a transform, and the style sheet's
   * transition takes that away again. Whoever prefers reduced motion has no transition there, and sees it jump.
   */
  fly(before) {
    const flying = [];
    for (const [chip, from] of before) {
      if (!chip.isConnected) continue;
      const to = chip.getBoundingClientRect();
      const x = from.left - to.left, y = from.top - to.top;
      if (Math.abs(x) + Math.abs(y) < 2) continue;
      // A chip inside a job's card flies with the card.
      if (chip.classList.contains("chip") && chip.closest(".job") !== null && before.has(chip.closest(".job"))) continue;
      flying.push(chip);
      chip.classList.add("taking-off");
      chip.style.transform = `translate(${x}px, ${y}px)`;
    }
    if (flying.length === 0) return;
    void document.body.offsetWidth; // lays out, so that the transition has somewhere to start
    for (const chip of flying) {
      chip.classList.remove("taking-off");
      chip.style.transform = "";
    }
  }
}
