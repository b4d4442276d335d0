"use strict";
// The state diagram of a hand-written future, as an SVG: its states in a column, the ways between them as arcs, those
// onwards on the right and those back on the left. What this future has been through is drawn strongly; beside each
// state stands how long it dwelt there.

/** Sizes in pixels: from state to state, the margins, and a state's box. */
const DIAGRAM = { row: 34, top: 22, left: 64, width: 148, height: 24, whole: 420 };

/** What a future has been through up to the event `seq`. */
function pathOf(recording, future, seq) {
  const path = { now: null, dwelt: new Map(), ways: new Map(), visits: new Map(), steps: [] };
  let since = null;
  for (const change of future.seqs) {
    if (change > seq) break;
    const { from, to, t } = recording.event(change);
    path.dwelt.set(from, (path.dwelt.get(from) ?? 0) + (since === null ? 0 : t - since));
    if (since === null) path.visits.set(from, 1);
    path.visits.set(to, (path.visits.get(to) ?? 0) + 1);
    const way = `${from}\n${to}`;
    path.ways.set(way, (path.ways.get(way) ?? 0) + 1);
    path.steps.push({ from, to, seq: change, dwelt: since === null ? null : t - since });
    path.now = to;
    since = t;
  }
  if (path.now === null && future.seqs.length > 0) path.now = recording.event(future.seqs[0]).from;
  path.since = since;
  return path;
}

/** Draws it. `time` is the current moment. */
function drawDiagram(graph, path, time) {
  const states = graph.states;
  const rowOf = new Map(states.map((state, row) => [state, row]));
  const hasEnded = path.now !== null && !graph.leaves.has(path.now);
  const ways = [...graph.ways.keys()].map((way) => way.split("\n")).map(([from, to]) => ({
    from: rowOf.get(from), to: rowOf.get(to), taken: path.ways.get(`${from}\n${to}`) ?? 0,
  }));
  // Those that were taken are drawn last, over the others.
  ways.sort((a, b) => a.taken - b.taken);
  // Room on the left is only for ways back.
  const left = ways.some(({ from, to }) => to < from) ? DIAGRAM.left : 4;
  const middle = (row) => DIAGRAM.top + row * DIAGRAM.row;
  const height = DIAGRAM.top * 2 + (states.length - 1) * DIAGRAM.row;
  const drawing = draw("svg", {
    viewBox: `0 0 ${DIAGRAM.whole} ${height}`, width: DIAGRAM.whole, height, role: "img", class: "diagram",
    "aria-label": `State machine of ${graph.of}: ${describePath(path, time, hasEnded)}`,
  });
  drawing.append(draw("defs", {}, ...["way", "taken"].map((kind) =>
    draw("marker", { id: `head-${kind}`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" },
      draw("path", { d: "M0 0.5 8 4 0 7.5z", class: kind })))));
  for (const { from, to, taken } of ways) {
    const kind = taken > 0 ? "taken" : "way";
    drawing.append(draw("path", { d: arc(middle, left, from, to), class: kind, "marker-end": `url(#head-${kind})` }));
  }
  for (const state of states) {
    const y = middle(rowOf.get(state));
    const visits = path.visits.get(state) ?? 0;
    const isNow = state === path.now;
    const box = draw("g", { class: isNow ? "state now" : visits > 0 ? "state been" : "state" });
    box.append(draw("rect", { x: left, y: y - DIAGRAM.height / 2, width: DIAGRAM.width, height: DIAGRAM.height, rx: 12 }));
    const label = draw("text", { x: left + DIAGRAM.width / 2, y: y + 4, "text-anchor": "middle" });
    label.textContent = state;
    box.append(label);
    const dwelt = (path.dwelt.get(state) ?? 0) + (isNow && !hasEnded && path.since !== null ? time - path.since : 0);
    if (visits > 0) {
      const words = draw("text", { x: DIAGRAM.whole - 8, y: y + 4, "text-anchor": "end", class: "dwell" });
      const often = visits > 1 ? `${visits}×` : "";
      words.textContent = isNow && hasEnded ? "ended" : dwelt > 0 ? [often, duration(dwelt)].filter(Boolean).join(" · ") : often || "started here";
      box.append(words);
    }
    drawing.append(box);
  }
  return drawing;
}

/** A way from one row to another, as a path. */
function arc(middle, left, from, to) {
  const y1 = middle(from), y2 = middle(to);
  if (to === from + 1) return `M${left + DIAGRAM.width / 2} ${y1 + DIAGRAM.height / 2}V${y2 - DIAGRAM.height / 2}`;
  const right = left + DIAGRAM.width;
  if (to === from) return `M${right} ${y1 - 6}c26 -8 26 20 1 12`;
  // Longer arcs reach out further, so that they do not lie on each other.
  const reach = Math.min(62, 14 + 9 * Math.abs(to - from));
  if (to > from) return `M${right} ${y1 + 5}C${right + reach} ${y1 + 5} ${right + reach} ${y2 - 5} ${right} ${y2 - 5}`;
  return `M${left} ${y1 - 5}C${left - reach} ${y1 - 5} ${left - reach} ${y2 + 5} ${left} ${y2 + 5}`;
}

/** The same in words. */
function describePath(path, time, hasEnded) {
  if (path.steps.length === 0) return path.now === null ? "not started" : `in ${path.now}, where it starts`;
  const states = [path.steps[0].from, ...path.steps.map((step) => step.to)];
  const shown = states.length > 8 ? ["…", ...states.slice(-8)] : states;
  const now = hasEnded ? "it has ended" : `there for ${duration(time - path.since)}`;
  return `${shown.join(" → ")}, ${now}`;
}
