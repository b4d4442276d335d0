"use strict";
// The content of the timeline: its lanes from top to bottom, and the arrows for the wakes of the selected task.

/** The maximum number of arrows that are drawn, because more would be illegible. */
const MAX_ARROWS = 120;

/** Returns the lanes: the loop, the workers, and all tasks. */
function makeLanes(index) {
  const fixed = [{ key: "loop", label: "loop", kind: "loop", spans: index.pollSpans }];
  index.jobSpans.forEach((spans, i) => fixed.push({ key: `worker ${i + 1}`, label: `worker ${i + 1}`, kind: "worker", spans }));
  const tasks = [...index.tasks.values()]
    .filter((task) => task.spans.length > 0)
    .sort((a, b) => a.id - b.id)
    .map((task) => ({ key: `task ${task.id}`, label: task.name, kind: "task", task: task.id, spans: task.spans }));
  return { fixed, tasks };
}

/** Describes a span of a lane. */
function spanWords(player, lane, i) {
  const { spans } = lane;
  const long = duration(spans.to[i] - spans.from[i]);
  if (lane.kind === "worker") return `job ${spans.what[i]} on ${lane.label}, ${long}`;
  if (lane.kind === "task") return `${lane.label} is ${spans.what[i]}, ${long}`;
  return `${player.nameOf(spans.what[i])} is polled, ${long}`;
}

/**
 * Returns the wakes of a task that led to a poll between two times: for each, the lane and time of its cause, and the time
 * of the poll. Wakes from outside the loop have no lane.
 */
function arrowsOf(player, task, from, to) {
  const { recording, index } = player;
  const wakeKind = recording.kinds.findIndex((kind) => kind.name === "wake");
  const arrows = [];
  for (const seq of index.tasks.get(task)?.seqs ?? []) {
    if (recording.kindOf[seq] !== wakeKind) continue;
    const poll = index.ledTo[seq];
    if (poll < 0 || recording.timeOf[poll] < from || recording.timeOf[seq] > to) continue;
    const wake = recording.event(seq);
    const arrow = { seq, poll, from: wake.t, to: recording.timeOf[poll], effect: wake.effect, lane: "loop", words: causeWords(wake, (id) => player.nameOf(id)) };
    if (wake.cause === "outside") arrow.lane = null;
    if (wake.cause === "task") arrow.lane = `task ${wake.by}`;
    if (wake.cause === "self") arrow.lane = `task ${task}`;
    if (wake.cause === "job" && index.causeOf[seq] >= 0) {
      const ended = index.causeOf[seq];
      arrow.from = recording.timeOf[ended];
      if (recording.threadOf[ended] > 0) arrow.lane = `worker ${recording.threadOf[ended]}`;
    }
    arrows.push(arrow);
  }
  return arrows;
}
