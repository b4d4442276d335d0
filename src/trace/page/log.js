"use strict";
// Panel 6, the event log: every event as a sentence, filtered by kind, by the selected task and by text. The search runs in
// slices, so that it does not block the page.

/** The number of events that are searched at a time. */
const SLICE = 8192;

class Log {
  constructor(player) {
    this.player = player;
    /** The groups of kinds that are hidden. */
    this.without = new Set();
    /** The events that are shown, or null for all. */
    this.matches = null;
    this.search = 0; // the number of the latest search, which cancels earlier ones
    this.status = document.getElementById("log-status");
    this.text = document.getElementById("find");
    this.onlySelected = document.getElementById("log-selected");
    this.list = new LongList(
      document.getElementById("log"), 28,
      (row, index) => this.fill(row, this.seqAt(index)),
      (index) => player.seek(this.seqAt(index)),
    );
    this.makeFilters();
    this.text.addEventListener("input", () => this.filter());
    this.text.addEventListener("keydown", (event) => this.keyInText(event));
    this.onlySelected.addEventListener("change", () => this.filter());
    this.filter();
  }

  makeFilters() {
    const place = document.getElementById("log-filters");
    const present = new Set(this.player.recording.kinds.map((kind) => groupOf(kind.name)));
    for (const group of GROUPS.filter((one) => present.has(one))) {
      const box = make("input", { type: "checkbox", checked: "" });
      box.addEventListener("change", () => {
        if (box.checked) this.without.delete(group);
        else this.without.add(group);
        this.filter();
      });
      place.append(make("label.filter", { "data-group": group.name }, box, make("span", {}, group.label)));
    }
  }

  update({ seq, selected }) {
    if (selected !== this.selected) {
      this.selected = selected;
      this.onlySelected.disabled = selected === null;
      if (selected === null) this.onlySelected.checked = false;
      setText(document.getElementById("log-selected-name"), selected === null ? "the selected task" : this.player.nameOf(selected));
      this.filter();
      return;
    }
    this.list.choose(this.indexOf(seq));
  }

  seqAt(index) {
    return this.matches === null ? index : this.matches[index];
  }

  /** Returns the row of an event, or that of the last event before it that is shown. */
  indexOf(seq) {
    if (this.matches === null) return seq;
    let low = 0, high = this.matches.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.matches[middle] <= seq) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  fill(row, seq) {
    if (row.childElementCount === 0) row.append(make("span.seq"), make("span.time"), make("span.dot"), make("span.sentence"));
    if (row.shownSeq === seq) return;
    row.shownSeq = seq;
    const { recording } = this.player;
    const [number, time, dot, sentence] = row.children;
    setText(number, seq);
    setText(time, timestamp(recording.timeOf[seq]));
    const kind = recording.kind(seq);
    setAttribute(dot, "data-group", groupOf(kind).name);
    setAttribute(dot, "title", kind);
    setText(sentence, recording.sentence(seq));
  }

  // -- Filtering -----------------------------------------------------------------------------------------------

  filter() {
    this.search += 1;
    const words = this.text.value.trim().toLowerCase();
    const { recording, index } = this.player;
    const task = this.onlySelected.checked ? this.player.selected : null;
    if (words === "" && task === null && this.without.size === 0) {
      this.found(null, true);
      return;
    }
    const isShown = recording.kinds.map((kind) => !this.without.has(groupOf(kind.name)));
    const among = task === null ? null : index.tasks.get(task).seqs;
    const total = among === null ? recording.length : among.length;
    const matches = [];
    const search = this.search;
    let next = 0;
    const slice = () => {
      if (search !== this.search) return;
      const end = words === "" ? total : Math.min(total, next + SLICE);
      for (; next < end; next += 1) {
        const seq = among === null ? next : among[next];
        if (!isShown[recording.kindOf[seq]]) continue;
        if (words === "" || recording.sentence(seq).toLowerCase().includes(words) || recording.kind(seq) === words) matches.push(seq);
      }
      this.found(matches, next === total);
      if (next < total) setTimeout(slice, 0);
    };
    slice();
  }

  found(matches, isAll) {
    this.matches = matches;
    const { length } = this.player.recording;
    const shown = matches === null ? length : matches.length;
    this.list.setLength(shown);
    this.list.choose(this.indexOf(this.player.seq));
    setText(this.status, matches === null ? count(length, "event") : `${count(shown)} of ${count(length, "event")}${isAll ? "" : ", searching …"}`);
    setAttribute(this.status, "data-searching", isAll ? null : "");
  }

  keyInText(event) {
    if (event.key === "Enter") {
      event.preventDefault();
      this.goToMatch(event.shiftKey ? -1 : 1);
    } else if (event.key === "Escape") {
      this.text.value = "";
      this.filter();
      this.text.blur();
    }
  }

  /** Goes to the next or previous match, and wraps around. */
  goToMatch(direction) {
    const length = this.matches === null ? this.player.recording.length : this.matches.length;
    if (length === 0) return;
    const here = this.indexOf(this.player.seq);
    const isOn = here >= 0 && this.seqAt(here) === this.player.seq;
    const next = direction > 0 ? here + 1 : isOn ? here - 1 : here;
    this.player.seek(this.seqAt((next + length) % length));
  }
}
