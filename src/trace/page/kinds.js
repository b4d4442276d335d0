"use strict";
// Groups of kinds of events, for the filters of the log and for colours.

const GROUPS = [
  { name: "turn", label: "turns and waits", kinds: ["run_begin", "run_end", "turn_begin", "turn_end", "wait_begin", "wait_end"] },
  { name: "source", label: "sources", kinds: ["source_add", "source_del", "readiness", "io"] },
  { name: "timer", label: "timers", kinds: ["timer_set", "timer_fire", "timer_del"] },
  { name: "poll", label: "tasks", kinds: ["spawn", "poll_begin", "poll_end", "done", "drop"] },
  { name: "state", label: "state changes", kinds: ["state"] },
  { name: "wake", label: "wakes", kinds: ["wake"] },
  { name: "semaphore", label: "semaphores", kinds: ["semaphore_wait", "semaphore_take", "semaphore_free"] },
  { name: "job", label: "jobs", kinds: ["job_add", "job_start", "job_end"] },
  { name: "http", label: "HTTP", kinds: ["http"] },
  { name: "finding", label: "findings, marks, missing events", kinds: ["diagnosis", "mark", "dropped"] },
];

const GROUP_OF = new Map(GROUPS.flatMap((group) => group.kinds.map((kind) => [kind, group])));

/** Returns the group of a kind. Unknown kinds belong to the last group. */
function groupOf(kind) {
  return GROUP_OF.get(kind) ?? GROUPS.at(-1);
}
