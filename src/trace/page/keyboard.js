"use strict";
// Keyboard shortcuts, and the URL fragment, for example `#seq=812&task=7`, which contains the position.

/** The delay before a new position is written to the URL, in milliseconds: browsers limit the rate of such changes. */
const URL_DELAY = 200;

class Keyboard {
  constructor(player, transport, timeline) {
    this.keys = {
      ArrowLeft: (event) => this.step(event, -1),
      ArrowRight: (event) => this.step(event, 1),
      Home: () => player.seek(0),
      End: () => player.seek(Infinity),
      p: () => player.step(1, "poll"),
      P: () => player.step(-1, "poll"),
      t: () => player.step(1, "turn"),
      T: () => player.step(-1, "turn"),
      " ": () => transport.toggle(),
      "/": () => this.find(),
      "+": () => timeline.zoom(0.5),
      "=": () => timeline.zoom(0.5),
      "-": () => timeline.zoom(2),
      0: () => timeline.show(timeline.whole),
      "[": () => timeline.pan(-0.3),
      "]": () => timeline.pan(0.3),
      "?": () => this.help(),
      Escape: () => player.select(null),
    };
    Object.assign(this, { player, transport });
    // Not after the elements' own listeners: even if the scrubber has the focus, shift and an arrow step by a turn.
    document.addEventListener("keydown", (event) => this.key(event));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const act = this.keys[event.key];
    if (act === undefined || isForElement(event)) return;
    event.preventDefault();
    act(event);
  }

  step(event, direction) {
    this.transport.pause();
    this.player.step(direction, event.shiftKey ? "turn" : "event");
  }

  find() {
    const text = document.getElementById("find");
    text.focus();
    text.select();
    text.scrollIntoView({ block: "nearest" });
  }

  help() {
    const keys = document.getElementById("keys");
    keys.open = !keys.open;
    if (keys.open) keys.querySelector("summary").focus();
  }
}

/** Returns whether the focused element handles this key itself. */
function isForElement(event) {
  const { target, key } = event;
  const isText = target.matches("input:not([type=range], [type=checkbox]), textarea");
  if (isText) return true;
  if (target.matches("select")) return key.startsWith("Arrow") || key === " " || key === "Home" || key === "End";
  if (key === " ") return target.matches("button, summary, a, [type=checkbox]");
  return false;
}

/** Keeps the URL fragment and the player in sync. */
class UrlFragment {
  constructor(player) {
    this.player = player;
    this.timer = null;
    window.addEventListener("hashchange", () => this.read());
  }

  /** Goes to the position in the URL. Everything else in the fragment is ignored. */
  read() {
    const parameters = new URLSearchParams(location.hash.slice(1));
    const number = (name) => (/^\d{1,15}$/.test(parameters.get(name) ?? "") ? Number(parameters.get(name)) : null);
    const seq = number("seq") ?? this.player.seq;
    const task = number("task");
    this.player.selected = this.player.index.tasks.has(task) ? task : null;
    this.player.seek(seq);
  }

  update({ seq, selected }) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const hash = `#seq=${seq}${selected === null ? "" : `&task=${selected}`}`;
      if (location.hash !== hash) history.replaceState(null, "", hash);
    }, URL_DELAY);
  }
}
