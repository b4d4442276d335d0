"use strict";
// Panel 1, the transport: a scrubber below a strip chart of loop lag, buttons for steps, and playback.

class Transport {
  constructor(player) {
    this.player = player;
    this.isPlaying = false;
    this.position = document.getElementById("position");
    this.scrubber = document.getElementById("scrubber");
    this.strip = document.getElementById("strip");
    this.playButton = document.getElementById("play");
    this.speed = document.getElementById("speed");

    const { length } = player.recording;
    this.scrubber.max = Math.max(0, length - 1);
    this.scrubber.addEventListener("input", () => {
      this.pause();
      player.seek(Number(this.scrubber.value));
    });
    for (const button of document.querySelectorAll("button[data-step]")) {
      button.addEventListener("click", () => {
        this.pause();
        player.step(Number(button.dataset.step), button.dataset.unit);
      });
    }
    this.playButton.addEventListener("click", () => this.toggle());
    new ResizeObserver(() => this.drawStrip()).observe(this.strip);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.drawStrip());
    this.describeStrip();
  }

  update({ seq, recording, state }) {
    if (state === null) return;
    this.scrubber.value = seq;
    const words = `event ${count(seq)} of ${count(recording.length - 1)} · turn ${count(state.turn)} · ${timestamp(state.time)}`;
    setText(this.position, words);
    setAttribute(this.scrubber, "aria-valuetext", words);
  }

  // -- Playback ------------------------------------------------------------------------------------------------

  toggle() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  pause() {
    this.isPlaying = false;
    this.showPlaying();
  }

  /** Plays from the current event, or from the start if it is the last one. The speed is in turns per second. */
  play() {
    const { player } = this;
    if (player.seq >= player.recording.length - 1) player.seek(0);
    this.isPlaying = true;
    this.showPlaying();
    let position = player.seq, before = performance.now();
    const frame = (now) => {
      if (!this.isPlaying) return;
      const turns = (Math.min(now - before, 100) / 1000) * Number(this.speed.value);
      before = now;
      position = this.advance(position, turns);
      if (Math.floor(position) !== player.seq) player.seek(Math.floor(position));
      if (player.seq >= player.recording.length - 1) this.pause();
      else requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  /** Returns the position that is a number of turns later, which may be fractional: events are spread evenly over a turn. */
  advance(position, turns) {
    const { index, recording } = this.player;
    while (turns > 0 && position < recording.length - 1) {
      const here = Math.floor(position);
      const begin = Math.max(0, lastBefore(index.turns, here, true));
      const next = firstAfter(index.turns, here);
      const end = next < 0 ? recording.length - 1 : next;
      const length = Math.max(1, end - begin);
      const left = (end - position) / length;
      if (left > turns) return position + turns * length;
      turns -= left;
      position = end;
    }
    return position;
  }

  showPlaying() {
    setText(this.playButton, this.isPlaying ? "Pause" : "Play");
    setAttribute(this.playButton, "aria-pressed", this.isPlaying);
  }

  // -- The strip chart of loop lag -----------------------------------------------------------------------------

  /** Draws, for each pixel, the longest delay of a poll after its wake. */
  drawStrip() {
    const { index, recording } = this.player;
    const width = this.strip.clientWidth, height = this.strip.clientHeight;
    const context = fitCanvas(this.strip);
    const colours = theme();
    const columns = new Float64Array(Math.max(1, width));
    const scale = (width - 1) / Math.max(1, recording.length - 1);
    let longest = 1;
    index.polls.forEach((seq, i) => {
      const lag = index.lags[i], column = Math.floor(seq * scale);
      if (lag > columns[column]) columns[column] = lag;
      if (lag > longest) longest = lag;
    });
    context.fillStyle = colours.queued;
    // Logarithmic, so that both a microsecond and ten milliseconds are visible.
    const top = Math.log1p(longest / 1e3);
    columns.forEach((lag, x) => {
      if (lag === 0) return;
      const size = Math.max(1, (Math.log1p(lag / 1e3) / top) * (height - 4));
      context.fillRect(x, height - size, 1, size);
    });
    context.fillStyle = colours.finding;
    for (const seq of index.findings) context.fillRect(Math.max(0, seq * scale - 1), 0, 3, height);
  }

  /** Describes the chart in words. */
  describeStrip() {
    const { lags, findings } = this.player.index;
    const sorted = Float64Array.from(lags).sort();
    const at = (part) => duration(sorted[Math.floor(part * (sorted.length - 1))]);
    const words = sorted.length === 0
      ? "No task was polled."
      : `Loop lag (from wake to poll): p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}. The scale is logarithmic.`;
    setText(document.getElementById("lag"), findings.length === 0 ? words : `${words} Red marks: ${count(findings.length, "finding")}.`);
  }
}
