"use strict";
// The state machines of hand-written futures, as far as the recording saw them move: for each type of future, its
// states in the order in which they were first met, and the ways from one to another.

/** Reads the graphs of all types out of the recording: a Map from a type's name to its graph. */
function readGraphs(recording) {
  const graphs = new Map();
  const stateKind = recording.kinds.findIndex((kind) => kind.name === "state");
  for (let seq = 0; seq < recording.length; seq += 1) {
    if (recording.kindOf[seq] !== stateKind) continue;
    const { of, from, to } = recording.event(seq);
    let graph = graphs.get(of);
    if (graph === undefined) {
      graph = { of, ways: new Map(), leaves: new Set(), states: new Set() };
      graphs.set(of, graph);
    }
    graph.leaves.add(from);
    graph.states.add(from).add(to);
    const way = `${from}\n${to}`;
    graph.ways.set(way, (graph.ways.get(way) ?? 0) + 1);
  }
  for (const graph of graphs.values()) graph.states = inOrder(graph);
  return graphs;
}

/**
 * The states in an order in which most ways lead downwards: a depth-first walk, turned round. Ways back up are loops.
 */
function inOrder(graph) {
  const next = new Map([...graph.states].map((state) => [state, []]));
  const entered = new Set();
  for (const way of graph.ways.keys()) {
    const [from, to] = way.split("\n");
    if (from === to) continue;
    next.get(from).push(to);
    entered.add(to);
  }
  const seen = new Set(), left = [];
  const visit = (state) => {
    if (seen.has(state)) return;
    seen.add(state);
    next.get(state).forEach(visit);
    left.push(state);
  };
  // From the states that nothing leads to; then whatever is only a loop.
  [...graph.states].filter((state) => !entered.has(state)).reverse().forEach(visit);
  [...graph.states].forEach(visit);
  return left.reverse();
}

/** Whether a future of this type was never seen to leave this state: it has ended there. */
function isLast(graphs, of, state) {
  const graph = graphs.get(of);
  return graph !== undefined && !graph.leaves.has(state);
}
