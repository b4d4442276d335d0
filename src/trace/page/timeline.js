"use strict";
// Panel 5, the timeline: a canvas of the size of its panel, redrawn whenever the view or the current event changes. Only
// visible spans are drawn, and spans that share a pixel are drawn once. The document has the same content as text: a
// sentence about the span under the pointer, and a table of all visible spans.

const LANE = 20, GUTTER = 132, AXIS = 22;
/** The minimum width of the view, in nanoseconds. */
const MIN_SPAN = 2000;
/** The maximum number of rows of the table. */
const MAX_ROWS = 150;

class Timeline {
  constructor(player) {
    this.player = player;
    this.lanes = makeLanes(player.index);
    const find = (name) => document.getElementById(`timeline${name}`);
    this.scroller = find("");
    this.sheet = find("-sheet");
    this.canvas = find("-canvas");
    this.readout = find("-readout");
    this.table = find("-table");
    this.rows = find("-rows");
    this.whole = { from: 0, to: Math.max(1, player.recording.end) * 1.01 };
    this.view = { ...this.whole };
    this.pointer = null;
    this.fit();

    new ResizeObserver(() => this.fit()).observe(this.scroller);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.later());
    this.scroller.addEventListener("scroll", () => this.later(), { passive: true });
    this.table.addEventListener("toggle", () => this.later());
    this.listenToPointer();
    const buttons = { "zoom-in": () => this.zoom(0.5), "zoom-out": () => this.zoom(2), fit: () => this.show(this.whole), left: () => this.pan(-0.3), right: () => this.pan(0.3) };
    for (const [name, act] of Object.entries(buttons)) find(`-${name}`).addEventListener("click", act);
  }

  update({ state, selected }) {
    if (state === null) return;
    const span = this.view.to - this.view.from;
    if (state.time < this.view.from || state.time > this.view.to) this.show({ from: state.time - span / 2, to: state.time + span / 2 });
    if (selected !== this.before) {
      this.before = selected;
      this.bringIntoView(selected);
    }
    this.later();
  }

  // -- The view ------------------------------------------------------------------------------------------------

  /** Shows a part of the run. It is adjusted to the limits of the run and of the zoom. */
  show({ from, to }) {
    const span = Math.min(this.whole.to, Math.max(MIN_SPAN, to - from));
    const start = Math.max(0, Math.min(this.whole.to - span, from));
    this.view = { from: start, to: start + span };
    this.later();
  }

  /** Zooms by a factor, around a time, which defaults to that of the current event. */
  zoom(factor, round = this.player.state?.time ?? 0) {
    const { from, to } = this.view;
    const centre = Math.max(from, Math.min(to, round));
    this.show({ from: centre - (centre - from) * factor, to: centre + (to - centre) * factor });
  }

  /** Moves the view by a fraction of its width. */
  pan(part) {
    const by = (this.view.to - this.view.from) * part;
    this.show({ from: this.view.from + by, to: this.view.to + by });
  }

  x(t) {
    return GUTTER + ((t - this.view.from) / (this.view.to - this.view.from)) * (this.width - GUTTER);
  }

  time(x) {
    return this.view.from + ((x - GUTTER) / (this.width - GUTTER)) * (this.view.to - this.view.from);
  }

  fit() {
    const fixed = AXIS + this.lanes.fixed.length * LANE;
    this.top = fixed;
    this.sheet.style.height = `${fixed + this.lanes.tasks.length * LANE + 6}px`;
    this.width = this.scroller.clientWidth;
    this.height = Math.min(this.scroller.clientHeight, fixed + this.lanes.tasks.length * LANE + 6);
    this.canvas.style.width = `${this.width}px`;
    this.canvas.style.height = `${this.height}px`;
    this.later();
  }

  bringIntoView(task) {
    const row = this.lanes.tasks.findIndex((lane) => lane.task === task);
    if (row < 0) return;
    const y = row * LANE, visible = this.height - this.top;
    const { scrollTop } = this.scroller;
    if (y < scrollTop || y + LANE > scrollTop + visible) this.scroller.scrollTop = Math.max(0, y - visible / 2);
  }

  /** Returns the visible lanes with their positions. */
  lanesInView() {
    const lanes = this.lanes.fixed.map((lane, i) => ({ lane, y: AXIS + i * LANE }));
    const { scrollTop } = this.scroller;
    const first = Math.floor(scrollTop / LANE);
    for (let row = first; row < this.lanes.tasks.length; row += 1) {
      const y = this.top + row * LANE - scrollTop;
      if (y > this.height) break;
      if (y > this.top - LANE) lanes.push({ lane: this.lanes.tasks[row], y });
    }
    return lanes;
  }

  // -- Drawing -------------------------------------------------------------------------------------------------

  /** Draws once in the next frame, no matter how many changes there are until then. */
  later() {
    if (this.isWaiting) return;
    this.isWaiting = true;
    requestAnimationFrame(() => {
      this.isWaiting = false;
      this.draw();
    });
  }

  draw() {
    if (this.player.state === null || this.width === 0) return;
    const context = fitCanvas(this.canvas);
    const colours = theme();
    const lanes = this.lanesInView();
    context.font = `12px ${colours.font}`;
    context.textBaseline = "middle";
    this.drawAxis(context, colours);
    // Tasks first, because the fixed lanes cover those that are partly scrolled out of view.
    const [stay, scroll] = [lanes.filter(({ lane }) => lane.kind !== "task"), lanes.filter(({ lane }) => lane.kind === "task")];
    context.save();
    context.beginPath();
    context.rect(0, this.top, this.width, this.height - this.top);
    context.clip();
    for (const { lane, y } of scroll) this.drawLane(context, colours, lane, y);
    context.restore();
    for (const { lane, y } of stay) this.drawLane(context, colours, lane, y);
    context.fillStyle = colours.line;
    context.fillRect(0, this.top - 0.5, this.width, 1);
    this.drawArrows(context, colours, lanes);
    this.drawNow(context, colours);
    this.describe(lanes);
  }

  drawAxis(context, colours) {
    const span = this.view.to - this.view.from;
    const rough = span / Math.max(2, (this.width - GUTTER) / 110);
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
    context.fillStyle = colours.soft;
    for (let t = Math.ceil(this.view.from / step) * step; t < this.view.to; t += step) {
      const x = Math.round(this.x(t));
      context.globalAlpha = 0.5;
      context.fillStyle = colours.line;
      context.fillRect(x, AXIS - 4, 1, this.height);
      context.globalAlpha = 1;
      context.fillStyle = colours.soft;
      if (x < this.width - 40) context.fillText(duration(t), x + 4, AXIS / 2);
    }
  }

  drawLane(context, colours, lane, y) {
    const { selected } = this.player;
    const isSelected = lane.kind === "task" && lane.task === selected;
    if (isSelected) {
      context.globalAlpha = 0.1;
      context.fillStyle = colours.accent;
      context.fillRect(0, y, this.width, LANE);
      context.globalAlpha = 1;
    }
    context.save();
    context.beginPath();
    context.rect(GUTTER, y, this.width - GUTTER, LANE);
    context.clip();
    const { turnSpans, waitSpans, tasks } = this.player.index;
    if (lane.kind === "loop") {
      this.drawSpans(context, turnSpans, y + 2, LANE - 4, colours.turn);
      this.drawSpans(context, waitSpans, y + LANE / 2 - 1, 2, colours.waiting);
      this.drawSpans(context, lane.spans, y + 4, LANE - 8, colours.polling);
      if (selected !== null) this.drawStates(context, tasks.get(selected).spans, y + 4, { polling: colours.accent });
    } else if (lane.kind === "worker") {
      this.drawSpans(context, lane.spans, y + 4, LANE - 8, colours.job);
    } else {
      this.drawStates(context, lane.spans, y + 4, colours);
    }
    context.restore();
    context.fillStyle = isSelected ? colours.ink : colours.soft;
    context.fillText(shortened(context, lane.label, GUTTER - 16), 8, y + LANE / 2);
  }

  /** Draws the spans in view. Of those narrower than a pixel, the first in each pixel stands for all of them. */
  drawSpans(context, spans, y, height, colour) {
    context.fillStyle = colour;
    for (let i = spans.firstAfter(this.view.from); i < spans.length && spans.from[i] < this.view.to; i += 1) {
      const left = Math.max(GUTTER, this.x(spans.from[i])), right = Math.min(this.width, this.x(spans.to[i]));
      context.fillRect(left, y, Math.max(1, right - left), height);
      // On to the next pixel: in a view of the whole run, thousands of spans may lie in this one.
      if (right - left < 1) i = Math.max(i, spans.firstAfter(this.time(left + 1)) - 1);
    }
  }

  /** Draws a task's states. Of the narrow ones, each pixel draws the first of each state. */
  drawStates(context, spans, y, colours) {
    const drawn = {}; // state -> the last pixel it was drawn in
    for (let i = spans.firstAfter(this.view.from); i < spans.length && spans.from[i] < this.view.to; i += 1) {
      const state = spans.what[i];
      const left = Math.max(GUTTER, this.x(spans.from[i])), right = Math.min(this.width, this.x(spans.to[i]));
      const pixel = Math.floor(right);
      if (colours[state] === undefined || (right - left < 1 && drawn[state] === pixel)) continue;
      drawn[state] = pixel;
      context.fillStyle = colours[state];
      if (state === "waiting") context.fillRect(left, y + LANE / 2 - 5, Math.max(1, right - left), 2);
      else context.fillRect(left, y, Math.max(1, right - left), LANE - 8);
    }
  }

  drawArrows(context, colours, lanes) {
    const { selected } = this.player;
    this.arrows = [];
    if (selected === null) return;
    const place = new Map(lanes.map(({ lane, y }) => [lane.key, y + LANE / 2]));
    const end = place.get(`task ${selected}`);
    if (end === undefined || end < this.top) return;
    this.arrows = arrowsOf(this.player, selected, this.view.from, this.view.to);
    if (this.arrows.length > MAX_ARROWS) return;
    context.strokeStyle = colours.accent;
    context.fillStyle = colours.accent;
    context.lineWidth = 1.4;
    for (const arrow of this.arrows) {
      if (arrow.lane === null) continue;
      const start = place.get(arrow.lane) ?? place.get("loop");
      const x1 = this.x(arrow.from), x2 = this.x(arrow.to);
      if (x2 < GUTTER || x1 > this.width) continue;
      const down = end > start ? 1 : -1;
      context.setLineDash(arrow.effect === "coalesced" ? [3, 3] : []);
      context.beginPath();
      context.moveTo(Math.max(GUTTER, x1), start + down * 6);
      context.bezierCurveTo(Math.max(GUTTER, x1), (start + end) / 2, x2, (start + end) / 2, x2, end - down * 9);
      context.stroke();
      context.beginPath();
      context.moveTo(x2, end - down * 5);
      context.lineTo(x2 - 3.5, end - down * 11);
      context.lineTo(x2 + 3.5, end - down * 11);
      context.fill();
    }
    context.setLineDash([]);
  }

  drawNow(context, colours) {
    const x = this.x(this.player.state.time);
    if (x < GUTTER || x > this.width) return;
    context.fillStyle = colours.finding;
    context.fillRect(Math.round(x) - 0.5, AXIS - 6, 1.5, this.height);
    context.beginPath();
    context.moveTo(x - 5, AXIS - 8);
    context.lineTo(x + 5, AXIS - 8);
    context.lineTo(x, AXIS - 1);
    context.fill();
  }

  // -- The timeline as text ------------------------------------------------------------------------------------

  describe(lanes) {
    const { from, to } = this.view;
    const hit = this.pointer === null ? null : this.spanAt(this.pointer.x, this.pointer.y);
    let words = `From ${timestamp(from)} to ${timestamp(to)}; one pixel is ${duration((to - from) / Math.max(1, this.width - GUTTER))}.`;
    if (hit !== null) words = `${spanWords(this.player, hit.lane, hit.i)}, from ${timestamp(hit.lane.spans.from[hit.i])}.`;
    else if (this.arrows.length > MAX_ARROWS) words += ` ${count(this.arrows.length, "wake")} of the selected task are visible: zoom in to see their arrows.`;
    setText(this.readout, words);
    if (this.table.open) this.fillTable(lanes);
  }

  /** Fills the table with the visible spans and arrows, sorted by time. */
  fillTable(lanes) {
    const facts = [];
    let more = 0;
    const add = (fact) => (facts.length < MAX_ROWS * 4 ? facts.push(fact) : (more += 1));
    for (const { lane } of lanes) {
      const { spans } = lane;
      for (let i = spans.firstAfter(this.view.from); i < spans.length && spans.from[i] < this.view.to; i += 1) {
        add({ t: spans.from[i], lane: lane.label, words: spanWords(this.player, lane, i), seq: spans.seq[i] });
      }
    }
    for (const arrow of this.arrows) {
      const words = `woken by ${arrow.words}, polled ${duration(arrow.to - arrow.from)} later`;
      add({ t: arrow.from, lane: this.player.nameOf(this.player.selected), words, seq: arrow.seq });
    }
    facts.sort((a, b) => a.t - b.t || a.seq - b.seq);
    more += Math.max(0, facts.length - MAX_ROWS);
    keepChildren(
      this.rows, facts.slice(0, MAX_ROWS).map((fact, i) => ({ ...fact, i })), ({ i }) => i,
      () => {
        const button = make("button.link", { type: "button", click: () => this.player.seek(Number(button.dataset.seq)) });
        return make("tr", {}, make("td"), make("td"), make("td", {}, button));
      },
      (row, { t, lane, words, seq }) => {
        const [when, where, what] = row.children;
        setText(when, timestamp(t));
        setText(where, lane);
        setText(what.firstChild, words);
        what.firstChild.dataset.seq = seq;
      },
    );
    setText(document.getElementById("timeline-more"), more > 0 ? `${count(more)} more: zoom in to see them.` : "");
  }

  // -- The pointer ---------------------------------------------------------------------------------------------

  /** Returns the span closest to a point of the canvas, within a few pixels. */
  spanAt(x, y) {
    const hit = this.lanesInView().findLast(({ lane, y: top }) => y >= top && y < top + LANE && (lane.kind !== "task" || y >= this.top));
    if (hit === undefined || x < GUTTER) return null;
    const { spans } = hit.lane;
    const near = (this.time(x + 3) - this.time(x)) || 1;
    const t = this.time(x);
    let i = spans.firstAfter(t);
    if (i > 0 && t - spans.to[i - 1] < near && (i >= spans.length || spans.from[i] > t)) i -= 1;
    if (i >= spans.length || spans.from[i] - t > near) return null;
    return { lane: hit.lane, i };
  }

  listenToPointer() {
    const { canvas } = this;
    let grip = null;
    canvas.addEventListener("pointerdown", (event) => {
      grip = { x: event.offsetX, view: this.view, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      this.pointer = { x: event.offsetX, y: event.offsetY };
      if (grip !== null && (grip.moved || Math.abs(event.offsetX - grip.x) > 4)) {
        grip.moved = true;
        const by = ((grip.x - event.offsetX) / (this.width - GUTTER)) * (grip.view.to - grip.view.from);
        this.show({ from: grip.view.from + by, to: grip.view.to + by });
      }
      this.later();
    });
    canvas.addEventListener("pointerup", (event) => {
      if (grip !== null && !grip.moved) this.click(event.offsetX, event.offsetY);
      grip = null;
    });
    canvas.addEventListener("pointerleave", () => {
      this.pointer = null;
      this.later();
    });
    canvas.addEventListener("wheel", (event) => {
      const isSideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
      if (event.ctrlKey || event.metaKey) this.zoom(2 ** (event.deltaY / 200), this.time(event.offsetX));
      else if (isSideways) this.pan((event.deltaX || event.deltaY) / 1000);
      else return; // scrolls the lanes
      event.preventDefault();
    }, { passive: false });
  }

  /** Goes to the span that was clicked, and selects its task. */
  click(x, y) {
    const hit = this.spanAt(x, y);
    if (hit === null) {
      const lane = this.lanesInView().findLast(({ y: top }) => y >= top && y < top + LANE)?.lane;
      if (lane?.kind === "task") this.player.select(lane.task);
      return;
    }
    const { lane, i } = hit;
    const { kind, spans } = lane;
    if (kind === "task") this.player.select(lane.task);
    if (kind === "loop") this.player.select(spans.what[i]);
    this.player.seek(spans.seq[i]);
  }
}

/** Shortens a label to a width. */
function shortened(context, label, width) {
  if (context.measureText(label).width <= width) return label;
  let length = label.length;
  while (length > 1 && context.measureText(`${label.slice(0, length)}…`).width > width) length -= 1;
  return `${label.slice(0, length)}…`;
}
