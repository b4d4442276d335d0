"use strict";
// The state diagram of a hand-written future, as an SVG: the states in a column, with forward transitions on the right and
// backward ones on the left. The path of this future is highlighted, and each state shows the time spent in it.

/** Sizes in pixels: the distance between states, the margins, the box of a state, and the total width. */
const DIAGRAM = { row: 34, top: 22, left: 64, width: 148, height: 24, whole: 420 };

/** Returns the path of a future up to the event `seq`. */
function pathOf(recording, future, seq) {
  const path = { now: null, dwelt: new Map(), edges: new Map(), visits: new Map(), steps: [] };
  let since = null;
  for (const change of future.seqs) {
    if (change > seq) break;
    const { from, to, t } = recording.event(change);
    path.dwelt.set(from, (path.dwelt.get(from) ?? 0) + (since === null ? 0 : t - since));
    if (since === null) path.visits.set(from, 1);
    path.visits.set(to, (path.visits.get(to) ?? 0) + 1);
    const edge = `${from}\n${to}`;
    path.edges.set(edge, (path.edges.get(edge) ?? 0) + 1);
    path.steps.push({ from, to, seq: change, dwelt: since === null ? null : t - since });
    path.now = to;
    since = t;
  }
  if (path.now === null && future.seqs.length > 0) path.now = recording.event(future.seqs[0]).from;
  path.since = since;
  return path;
}

/** Draws the diagram. `time` is the current time. */
function drawDiagram(graph, path, time) {
  const states = graph.states;
  const rowOf = new Map(states.map((state, row) => [state, row]));
  const hasEnded = path.now !== null && !graph.leaves.has(path.now);
  const edges = [...graph.edges.keys()].map((edge) => edge.split("\n")).map(([from, to]) => ({
    from: rowOf.get(from), to: rowOf.get(to), taken: path.edges.get(`${from}\n${to}`) ?? 0,
  }));
  // The edges of the path are drawn last, above the others.
  edges.sort((a, b) => a.taken - b.taken);
  // The left margin is only needed for backward edges.
  const left = edges.some(({ from, to }) => to < from) ? DIAGRAM.left : 4;
  const middle = (row) => DIAGRAM.top + row * DIAGRAM.row;
  const height = DIAGRAM.top * 2 + (states.length - 1) * DIAGRAM.row;
  const drawing = draw("svg", {
    viewBox: `0 0 ${DIAGRAM.whole} ${height}`, width: DIAGRAM.whole, height, role: "img", class: "diagram",
    "aria-label": `State machine of ${graph.of}: ${describePath(path, time, hasEnded)}`,
  });
  drawing.append(draw("defs", {}, ...["edge", "taken"].map((kind) =>
    draw("marker", { id: `head-${kind}`, viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" },
      draw("path", { d: "M0 0.5 8 4 0 7.5z", class: kind })))));
  for (const { from, to, taken } of edges) {
    const kind = taken > 0 ? "taken" : "edge";
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
      words.textContent = isNow && hasEnded ? "ended" : dwelt > 0 ? [often, duration(dwelt)].filter(Boolean).join(" · ") : often || "initial state";
      box.append(words);
    }
    drawing.append(box);
  }
  return drawing;
}

/** Returns the path of an edge from one row to another. */
function arc(middle, left, from, to) {
  const y1 = middle(from), y2 = middle(to);
  if (to === from + 1) return `M${left + DIAGRAM.width / 2} ${y1 + DIAGRAM.height / 2}V${y2 - DIAGRAM.height / 2}`;
  const right = left + DIAGRAM.width;
  if (to === from) return `M${right} ${y1 - 6}c26 -8 26 20 1 12`;
  // Longer arcs are wider, so that they do not overlap.
  const reach = Math.min(62, 14 + 9 * Math.abs(to - from));
  if (to > from) return `M${right} ${y1 + 5}C${right + reach} ${y1 + 5} ${right + reach} ${y2 - 5} ${right} ${y2 - 5}`;
  return `M${left} ${y1 - 5}C${left - reach} ${y1 - 5} ${left - reach} ${y2 + 5} ${left} ${y2 + 5}`;
}

/** Describes the path in words. */
function describePath(path, time, hasEnded) {
  if (path.steps.length === 0) return path.now === null ? "not started" : `in ${path.now}, its initial state`;
  const states = [path.steps[0].from, ...path.steps.map((step) => step.to)];
  const shown = states.length > 8 ? ["…", ...states.slice(-8)] : states;
  const now = hasEnded ? "ended" : `for ${duration(time - path.since)}`;
  return `${shown.join(" → ")}, ${now}`;
}
