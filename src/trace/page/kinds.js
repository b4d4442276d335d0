"use strict";
// The kinds of events in groups: for the log's filters, and for colours.

const GROUPS = [
  { name: "turn", label: "turns and waits", kinds: ["run_begin", "run_end", "turn_begin", "turn_end", "wait_begin", "wait_end"] },
  { name: "source", label: "sources", kinds: ["source_add", "source_del", "readiness", "io"] },
  { name: "timer", label: "timers", kinds: ["timer_set", "timer_fire", "timer_del"] },
  { name: "poll", label: "tasks", kinds: ["spawn", "poll_begin", "poll_end", "done", "drop"] },
  { name: "state", label: "states", kinds: ["state"] },
  { name: "wake", label: "wakes", kinds: ["wake"] },
  { name: "semaphore", label: "semaphores", kinds: ["semaphore_wait", "semaphore_take", "semaphore_free"] },
  { name: "job", label: "jobs", kinds: ["job_add", "job_start", "job_end"] },
  { name: "http", label: "HTTP", kinds: ["http"] },
  { name: "finding", label: "findings and marks", kinds: ["diagnosis", "mark", "dropped"] },
];

const GROUP_OF = new Map(GROUPS.flatMap((group) => group.kinds.map((kind) => [kind, group])));

/** The group of a kind. A kind that this page does not know is shown among the marks. */
function groupOf(kind) {
  return GROUP_OF.get(kind) ?? GROUPS.at(-1);
}
