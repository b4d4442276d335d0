"use strict";
// Panel 4, tasks: the state of each, its polls, what it waits for, and what last woke it; and details of the selected task,
// with the state diagrams of its hand-written futures.

/** The maximum number of futures that are listed. */
const FUTURES_LISTED = 12;

class Tasks {
  constructor(player) {
    this.player = player;
    this.shown = [];
    this.list = new LongList(
      document.getElementById("task-list"), 30,
      (row, index) => this.fill(row, this.shown[index]),
      (index) => player.select(this.shown[index].id),
    );
    this.count = document.getElementById("task-count");
    this.detail = document.getElementById("task");
    this.title = document.getElementById("task-title");
    this.facts = document.getElementById("task-facts");
    this.futures = document.getElementById("task-futures");
    this.drawing = document.getElementById("task-diagram");
    this.path = document.getElementById("task-path");
    /** The future whose diagram the user selected, or null. */
    this.requested = null;
    for (const button of document.querySelectorAll("button[data-task-poll]")) {
      button.addEventListener("click", () => this.goToPoll(Number(button.dataset.taskPoll)));
    }
    document.getElementById("task-close").addEventListener("click", () => player.select(null));
  }

  update({ state, selected }) {
    if (state === null) return;
    const ended = state.ended.map((task) => ({ ...task, state: task.outcome, hasEnded: true })).reverse();
    this.shown = [...state.tasks.values(), ...ended];
    setText(this.count, `${count(state.tasks.size)} alive, ${count(state.totals.ended)} ended`);
    this.list.setLength(this.shown.length);
    const isOther = selected !== this.before;
    this.before = selected;
    this.list.choose(this.shown.findIndex((task) => task.id === selected), isOther);
    if (isOther) this.requested = null;
    this.showSelected();
  }

  fill(row, task) {
    if (row.childElementCount === 0) {
      row.append(make("span.name"), make("span.badge"), make("span.polls"), make("span.waits"), make("span.woken"));
    }
    const [name, badge, polls, waits, woken] = row.children;
    setText(name, task.name);
    setAttribute(row, "data-ended", task.hasEnded ? "" : null);
    setText(badge, task.state);
    setAttribute(badge, "data-state", task.state);
    setText(polls, count(task.polls));
    setText(waits, task.hasEnded ? "" : this.waitsFor(task));
    setText(woken, task.hasEnded || task.last_wake === null ? "" : this.wokenBy(task));
  }

  waitsFor(task) {
    if (task.state !== "waiting" || task.waiting_for === null) return "";
    if (task.place === null) return task.waiting_for;
    const place = `${task.place.at} ${task.place.id}`;
    // "source 3 · ReadHead", but not "timer 3 · a timer".
    return WAITS_FOR[task.waiting_for] === undefined ? `${place} · ${task.waiting_for}` : place;
  }

  wokenBy(task) {
    return causeWords(task.last_wake, (other) => this.player.nameOf(other));
  }

  goToPoll(direction) {
    const { player } = this;
    const polls = player.index.tasks.get(player.selected)?.polls ?? [];
    const seq = direction > 0 ? firstAfter(polls, player.seq) : lastBefore(polls, player.seq);
    if (seq >= 0) player.seek(seq);
  }

  // -- The selected task ---------------------------------------------------------------------------------------

  showSelected() {
    const { state, selected, index } = this.player;
    this.detail.hidden = selected === null;
    if (selected === null) return;
    const task = state.tasks.get(selected);
    const ended = state.ended.findLast(({ id }) => id === selected);
    const before = index.tasks.get(selected);
    setText(this.title, before.name);
    this.showFacts(task === undefined ? this.factsOfAbsent(ended, before) : this.factsOf(task, state));
    this.showFutures(selected);
  }

  factsOf(task, state) {
    return [
      ["state", `${task.state} for ${duration(state.time - task.since)}`],
      ["waits for", this.waitsFor(task) || "–"],
      ["last woken by", task.last_wake === null ? "not woken yet" : this.wokenBy(task), task.last_wake?.seq],
      ["polls", `${count(task.polls)}, ${duration(task.polling_time)} in total`],
      ["wakers alive", task.wakers === null ? "–" : count(task.wakers)],
      ["exchange", task.exchange === null ? null : exchangeWords(task.exchange)],
      ["future", task.future],
      ["spawned", task.id === 0 ? "by block_on" : `${task.parent === null ? "" : `by ${this.player.nameOf(task.parent)} `}at ${task.location ?? "?"}`, task.began],
    ];
  }

  factsOfAbsent(ended, before) {
    if (ended !== undefined) {
      return [["state", `${ended.outcome}, ${duration(this.player.state.time - this.player.recording.timeOf[ended.seq])} ago`, ended.seq],
        ["polls", count(ended.polls)]];
    }
    const [first] = before.seqs;
    return first > this.player.seq ? [["state", "not spawned yet", first]] : [["state", "ended", before.seqs.at(-1)]];
  }

  showFacts(facts) {
    keepChildren(
      this.facts, facts.filter(([, value]) => value !== null), ([name]) => name,
      ([name]) => make("div", {}, make("dt", {}, name), make("dd", {}, make("span"), make("button.link", {
        type: "button", click: (event) => this.player.seek(Number(event.currentTarget.dataset.seq)),
      }, "show"))),
      (row, [name, value, seq]) => {
        const [text, button] = row.lastChild.children;
        setText(text, value);
        button.hidden = seq === undefined || seq === null;
        if (!button.hidden) {
          button.dataset.seq = seq;
          setAttribute(button, "aria-label", `show event ${seq}: ${name}`);
        }
      },
    );
  }

  /** Returns the future that changed last and has not ended; if all have, the one with the longest path. */
  defaultFuture(futures) {
    const { recording, seq, state } = this.player;
    let best = null;
    for (const [id, future] of futures) {
      const change = lastBefore(future.seqs, seq, true);
      const isAlive = !isLast(state.graphs, future.of, recording.event(change).to);
      const rank = isAlive ? [1, change] : [0, future.seqs.length];
      if (best === null || rank[0] > best.rank[0] || (rank[0] === best.rank[0] && rank[1] > best.rank[1])) best = { id, rank };
    }
    return best?.id ?? null;
  }

  /** Shows the futures of the task that have changed their state so far, and the diagram of one of them. */
  showFutures(task) {
    const { index, seq } = this.player;
    this.futuresOf ??= groupByTask(index.futures);
    const all = (this.futuresOf.get(task) ?? []).filter(([, future]) => future.seqs[0] <= seq);
    // Only the latest: a connection that has served a thousand requests has had a thousand exchanges.
    const futures = all.slice(-FUTURES_LISTED);
    const chosen = futures.some(([id]) => id === this.requested) ? this.requested : this.defaultFuture(futures);
    keepChildren(
      this.futures, futures, ([id]) => id,
      ([id]) => make("button.future", { type: "button", click: () => {
        this.requested = id;
        this.showSelected();
      } }),
      (button, [id, future]) => {
        const path = lastBefore(future.seqs, seq, true);
        setText(button, `${future.of} ${id}: ${this.player.recording.event(path).to}`);
        setAttribute(button, "aria-pressed", id === chosen);
      },
    );
    setText(this.path, "");
    if (chosen === null) {
      this.drawing.replaceChildren();
      setText(this.path, "No hand-written future of this task has changed its state yet.");
      return;
    }
    const future = index.futures.get(chosen);
    const graph = this.player.state.graphs.get(future.of);
    const { time } = this.player.state;
    const path = pathOf(this.player.recording, future, seq);
    this.drawing.replaceChildren(drawDiagram(graph, path, time));
    const inside = future.parent === null ? "" : `, inside ${index.futures.get(future.parent)?.of ?? "future"} ${future.parent}`;
    setText(this.path, `${future.of} ${chosen}${inside}: ${describePath(path, time, path.now !== null && !graph.leaves.has(path.now))}.`);
  }
}

/** Describes the progress of an HTTP exchange. */
function exchangeWords({ id, step, status, bytes: size }) {
  const parts = [`${id}: ${step}`];
  if (status !== null) parts.push(`status ${status}`);
  if (size > 0) parts.push(bytes(size));
  return parts.join(", ");
}

function groupByTask(futures) {
  const groups = new Map();
  for (const entry of futures) {
    const { task } = entry[1];
    if (!groups.has(task)) groups.set(task, []);
    groups.get(task).push(entry);
  }
  return groups;
}
