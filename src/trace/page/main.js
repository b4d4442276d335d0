"use strict";
// Starts the page: reads the recording, computes the index in one pass over all events, and creates the panels.

/** The number of events between two copies of the state. */
const COPY_EVERY = 4096;

function readRun() {
  const recording = new Recording(document);
  const graphs = readGraphs(recording);
  const index = new Index(recording.length);
  const state = new LoopState(graphs);
  const copies = [state.copy()];
  const max = { sources: 0, timers: 0 };
  for (let seq = 0; seq < recording.length; seq += 1) {
    const event = recording.event(seq);
    state.apply(event);
    index.note(event);
    max.sources = Math.max(max.sources, state.sources.size);
    max.timers = Math.max(max.timers, state.timers.size);
    if ((seq + 1) % COPY_EVERY === 0) copies.push(state.copy());
  }
  index.close(recording.end);
  index.max = max;
  return new Player(recording, new StateHistory(recording, copies, COPY_EVERY), index);
}

/** Shows the header of the recording at the top of the page. */
function showRun({ recording }) {
  const { run, left_out, notes } = recording.header;
  const [program = "", ...rest] = run.argv;
  const command = [program.split("/").pop(), ...rest].join(" ");
  document.title = command === "" ? "glassloop trace" : `${command} – glassloop trace`;
  setText(document.getElementById("command"), command);
  const facts = [count(recording.length, "event"), duration(recording.end), run.started, run.clock === "virtual" ? "virtual time" : null, `glassloop ${run.glassloop}`];
  setText(document.getElementById("facts"), facts.filter((fact) => fact !== null && fact !== undefined).join(" · "));
  const all = [...notes];
  if (left_out > 0) all.push(`This page contains the first ${count(recording.length, "event")}; ${count(left_out)} more were left out.`);
  if (recording.length === 0) all.push("There are no events in this recording.");
  const place = document.getElementById("notes");
  place.append(...all.map((note) => make("p", {}, note)));
  place.hidden = all.length === 0;
}

function start() {
  const player = readRun();
  showRun(player);
  const transport = new Transport(player);
  const timeline = new Timeline(player);
  const fragment = new UrlFragment(player);
  for (const panel of [
    transport, new Now(player), new StatePanel(player), new Tasks(player), timeline, new Log(player),
    new Findings(player, timeline), fragment,
  ]) player.add(panel);
  new Keyboard(player, transport, timeline);
  fragment.read();

  /** For tests and for the browser's console. */
  window.glassloop = {
    seek: (seq) => player.seek(seq),
    step: (n, unit = "event") => player.step(n, unit),
    select: (task) => player.select(task),
    /** Returns the loop's state after the current event as plain data, whose `toString` is JSON. */
    state() {
      const plain = JSON.parse(JSON.stringify(player.state ?? {}));
      return Object.defineProperty(plain, "toString", { value: () => JSON.stringify(plain) });
    },
    player,
  };
  // The page is ready after its first paint.
  requestAnimationFrame(() => setTimeout(() => {
    document.documentElement.dataset.ready = "true";
    document.documentElement.dataset.readyAfter = performance.now().toFixed(0);
  }, 0));
}

start();
