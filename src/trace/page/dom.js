"use strict";
// Functions for all panels: creating elements, updating lists of elements, and formatting quantities.
//
// Text of the recording is inserted only as text: with `textContent`, `append`, and `setAttribute` of attributes that are
// not executed. No script of the page parses it as markup.

/**
 * Creates an element: `make("button.step", { title: "…" }, "text", child)`. A property that is a function becomes an event
 * listener; `null` and `false` omit the attribute.
 */
function make(selector, properties = {}, ...children) {
  const [tag, ...classes] = selector.split(".");
  const element = document.createElement(tag);
  if (classes.length > 0) element.className = classes.join(" ");
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Creates an SVG element. */
function draw(tag, properties = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(properties)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Changes the text of an element, unless it is the same: that would cause a layout for nothing. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets or removes an attribute, unless it is the same. */
function setAttribute(element, name, value) {
  if (value === null || value === false) {
    if (element.hasAttribute(name)) element.removeAttribute(name);
  } else if (element.getAttribute(name) !== String(value)) {
    element.setAttribute(name, value);
  }
}

/**
 * Updates the children of `parent` to match `items`. The element of an item is reused as long as there is an item with the
 * same key. `create(item)` creates the element, `update(element, item)` fills it.
 */
function keepChildren(parent, items, keyOf, create, update = () => {}) {
  const before = parent.kept ?? new Map();
  const kept = new Map();
  let place = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    const element = before.get(key) ?? create(item);
    before.delete(key);
    kept.set(key, element);
    update(element, item);
    if (element === place) place = place.nextSibling;
    else parent.insertBefore(element, place);
  }
  for (const element of before.values()) if (element.parentNode === parent) element.remove();
  parent.kept = kept;
}

/** Formats nanoseconds: `12.3 µs`. */
function duration(nanoseconds) {
  const size = Math.abs(nanoseconds);
  if (size < 1e3) return `${Math.round(nanoseconds)} ns`;
  if (size < 1e6) return `${threeDigits(nanoseconds / 1e3)} µs`;
  if (size < 1e9) return `${threeDigits(nanoseconds / 1e6)} ms`;
  return `${threeDigits(nanoseconds / 1e9)} s`;
}

function threeDigits(number) {
  const size = Math.abs(number);
  return number.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

/** Formats a number of bytes: `13.1 KB`. */
function bytes(number) {
  if (number < 1000) return `${number} B`;
  if (number < 1e6) return `${threeDigits(number / 1e3)} KB`;
  return `${threeDigits(number / 1e6)} MB`;
}

/** `12,345` */
const NUMBERS = new Intl.NumberFormat("en");
function count(number, one, many = `${one}s`) {
  const text = NUMBERS.format(number);
  return one === undefined ? text : `${text} ${number === 1 ? one : many}`;
}

/** Formats a time of the run, always in milliseconds so that times can be compared: `12.345 ms`. */
function timestamp(nanoseconds) {
  const milliseconds = nanoseconds / 1e6;
  const [whole, part] = milliseconds.toFixed(3).split(".");
  return `${NUMBERS.format(whole)}.${part} ms`;
}

/** Returns the cause of a wake, as it follows "woken by". */
function causeWords({ cause, by }, nameOf) {
  switch (cause) {
    case "source": case "timer": case "job": return `${cause} ${by}`;
    case "task": return nameOf(by);
    case "self": return "itself";
    case "spawn": return "its spawn";
    default: return "outside the loop";
  }
}

/** A virtual list: only the visible rows have elements, so a hundred thousand rows cost as much as twenty. */
class LongList {
  /**
   * `container` scrolls; rows are `rowHeight` pixels high. `fill(row, index)` fills a row; `pick(index)` is called when a
   * row is selected with the mouse or the keyboard.
   */
  constructor(container, rowHeight, fill, pick) {
    Object.assign(this, { container, rowHeight, fill, pick });
    this.length = 0;
    this.chosen = -1;
    this.rows = [];
    // Cached, because reading them from the document would force a layout for each list.
    this.height = container.clientHeight;
    this.scrolled = 0;
    this.sheet = make("div.sheet");
    container.append(this.sheet);
    container.tabIndex = 0;
    container.setAttribute("role", "listbox");
    container.addEventListener("scroll", () => {
      this.scrolled = container.scrollTop;
      this.show();
    }, { passive: true });
    container.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => {
      this.height = container.clientHeight;
      this.show();
    }).observe(container);
  }

  setLength(length) {
    if (this.length === length) return;
    this.length = length;
    this.sheet.style.height = `${length * this.rowHeight}px`;
    this.scrolled = Math.max(0, Math.min(this.scrolled, length * this.rowHeight - this.height));
  }

  /** Fills the visible rows. */
  show() {
    const first = Math.max(0, Math.floor(this.scrolled / this.rowHeight) - 2);
    const needed = Math.max(0, Math.min(this.length - first, Math.ceil(this.height / this.rowHeight) + 4));
    while (this.rows.length < needed) this.rows.push(this.newRow());
    let active = null;
    this.rows.forEach((row, i) => {
      const index = first + i;
      if (row.hidden !== i >= needed) row.hidden = i >= needed;
      if (row.hidden) return;
      if (row.index !== index) row.style.transform = `translateY(${index * this.rowHeight}px)`;
      row.index = index;
      setAttribute(row, "aria-setsize", this.length);
      setAttribute(row, "aria-posinset", index + 1);
      setAttribute(row, "aria-selected", index === this.chosen ? "true" : "false");
      if (index === this.chosen) active = row.id;
      this.fill(row, index);
    });
    setAttribute(this.container, "aria-activedescendant", active);
  }

  newRow() {
    LongList.rowsMade = (LongList.rowsMade ?? 0) + 1;
    const row = make("div.row", { role: "option", id: `row-${LongList.rowsMade}`, click: () => this.pick(row.index) });
    row.style.height = `${this.rowHeight}px`;
    this.sheet.append(row);
    return row;
  }

  /** Marks a row as selected and scrolls to it. */
  choose(index, follow = true) {
    this.chosen = index;
    if (follow && index >= 0) {
      const top = index * this.rowHeight;
      if (top < this.scrolled || top + this.rowHeight > this.scrolled + this.height) this.scrollTo(top - this.height / 2);
    }
    this.show();
  }

  /** Fills the rows at once, but scrolls in the next frame, when there is a layout anyway. */
  scrollTo(top) {
    this.scrolled = Math.max(0, Math.min(top, this.length * this.rowHeight - this.height));
    if (this.isScrolling) return;
    this.isScrolling = true;
    requestAnimationFrame(() => {
      this.isScrolling = false;
      this.container.scrollTop = this.scrolled;
    });
  }

  key(event) {
    const page = Math.max(1, Math.floor(this.container.clientHeight / this.rowHeight) - 1);
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -this.length, End: this.length };
    const by = moves[event.key];
    if (by === undefined || this.length === 0) return;
    event.preventDefault();
    event.stopPropagation();
    this.pick(Math.max(0, Math.min(this.length - 1, this.chosen + by)));
  }
}
