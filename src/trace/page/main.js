"use strict";
// Puts the page together: reads the recording, folds it once from end to end, and lets the panels listen to the player.

/** How many events lie between two copies of the state. */
const COPY_EVERY = 4096;

function readRun() {
  const recording = new Recording(document);
  const graphs = readGraphs(recording);
  const index = new Index(recording.length);
  const state = new LoopState(graphs);
  const copies = [state.copy()];
  const most = { sources: 0, timers: 0 };
  for (let seq = 0; seq < recording.length; seq += 1) {
    const event = recording.event(seq);
    state.apply(event);
    index.note(event);
    most.sources = Math.max(most.sources, state.sources.size);
    most.timers = Math.max(most.timers, state.timers.size);
    if ((seq + 1) % COPY_EVERY === 0) copies.push(state.copy());
  }
  index.close(recording.end);
  index.most = most;
  return new Player(recording, new StateHistory(recording, copies, COPY_EVERY), index);
}

/** What the recording says about itself, at the top of the page. */
function showRun({ recording }) {
  const { run, left_out, notes } = recording.header;
  const [program = "", ...rest] = run.argv;
  const command = [program.split("/").pop(), ...rest].join(" ");
  document.title = command === "" ? "A run, replayed" : `${command}, replayed`;
  setText(document.getElementById("command"), command);
  const facts = [count(recording.length, "event"), duration(recording.end), run.started, run.clock === "virtual" ? "virtual time" : null, `glassloop ${run.glassloop}`];
  setText(document.getElementById("facts"), facts.filter((fact) => fact !== null && fact !== undefined).join(" · "));
  const all = [...notes];
  if (left_out > 0) all.push(`This page holds the first ${count(recording.length, "event")}; ${count(left_out)} more were left out.`);
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
  const address = new Address(player);
  for (const panel of [
    transport, new Now(player), new Machine(player), new Tasks(player), timeline, new Log(player),
    new Findings(player, timeline), address,
  ]) player.add(panel);
  new Keyboard(player, transport, timeline);
  address.read();

  /** For tests, and for whoever wants to look further in the browser's console. */
  window.glassloop = {
    seek: (seq) => player.seek(seq),
    step: (n, unit = "event") => player.step(n, unit),
    select: (task) => player.select(task),
    /** The loop's state after the current event, as plain data. Its text is its JSON. */
    state() {
      const plain = JSON.parse(JSON.stringify(player.state ?? {}));
      return Object.defineProperty(plain, "toString", { value: () => JSON.stringify(plain) });
    },
    player,
  };
  // Ready is when it has been painted.
  requestAnimationFrame(() => setTimeout(() => {
    document.documentElement.dataset.ready = "true";
    document.documentElement.dataset.readyAfter = performance.now().toFixed(0);
  }, 0));
}

start();
