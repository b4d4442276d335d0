"use strict";
// The state machines of hand-written futures, derived from the recorded transitions: for each type of future, its states
// and the transitions (edges) between them.

/** Returns the graphs of all types: a Map from the name of a type to its graph. */
function readGraphs(recording) {
  const graphs = new Map();
  const stateKind = recording.kinds.findIndex((kind) => kind.name === "state");
  for (let seq = 0; seq < recording.length; seq += 1) {
    if (recording.kindOf[seq] !== stateKind) continue;
    const { of, from, to } = recording.event(seq);
    let graph = graphs.get(of);
    if (graph === undefined) {
      graph = { of, edges: new Map(), leaves: new Set(), states: new Set() };
      graphs.set(of, graph);
    }
    graph.leaves.add(from);
    graph.states.add(from).add(to);
    const edge = `${from}\n${to}`;
    graph.edges.set(edge, (graph.edges.get(edge) ?? 0) + 1);
  }
  for (const graph of graphs.values()) graph.states = inOrder(graph);
  return graphs;
}

/** Sorts the states so that edges lead downwards, except for loops: the reverse post-order of a depth-first search. */
function inOrder(graph) {
  const next = new Map([...graph.states].map((state) => [state, []]));
  const entered = new Set();
  for (const edge of graph.edges.keys()) {
    const [from, to] = edge.split("\n");
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
  // Starts with the states without incoming edges; the second pass is for those that are only reached by loops.
  [...graph.states].filter((state) => !entered.has(state)).reverse().forEach(visit);
  [...graph.states].forEach(visit);
  return left.reverse();
}

/** Returns whether this state is final: no transition out of it was recorded. */
function isLast(graphs, of, state) {
  const graph = graphs.get(of);
  return graph !== undefined && !graph.leaves.has(state);
}
