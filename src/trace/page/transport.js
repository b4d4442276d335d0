"use strict";
// Panel 1, the transport: a scrubber over a strip of loop lag, steps back and forth, and playing.

class Transport {
  constructor(player) {
    this.player = player;
    this.isPlaying = false;
    this.place = document.getElementById("place");
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
    const words = `event ${count(seq)} of ${count(recording.length - 1)} · turn ${count(state.turn)} · ${moment(state.time)}`;
    setText(this.place, words);
    setAttribute(this.scrubber, "aria-valuetext", words);
  }

  // -- Playing -------------------------------------------------------------------------------------------------

  toggle() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  pause() {
    this.isPlaying = false;
    this.showPlaying();
  }

  /** Plays on from here, or from the start if this is the end. A turn takes as long as the chosen speed says. */
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
      position = this.onBy(position, turns);
      if (Math.floor(position) !== player.seq) player.seek(Math.floor(position));
      if (player.seq >= player.recording.length - 1) this.pause();
      else requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  /** The place that lies some turns further, or a part of one: the events of a turn are spread evenly over it. */
  onBy(position, turns) {
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

  // -- The strip of loop lag -----------------------------------------------------------------------------------

  /** For each pixel the longest time that a task stood on the ready queue before a poll that lies there. */
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
    // A logarithm: lags of a microsecond and of ten milliseconds are both to be seen.
    const top = Math.log1p(longest / 1e3);
    columns.forEach((lag, x) => {
      if (lag === 0) return;
      const size = Math.max(1, (Math.log1p(lag / 1e3) / top) * (height - 4));
      context.fillRect(x, height - size, 1, size);
    });
    context.fillStyle = colours.finding;
    for (const seq of index.findings) context.fillRect(Math.max(0, seq * scale - 1), 0, 3, height);
  }

  /** The same in words. */
  describeStrip() {
    const { lags, findings } = this.player.index;
    const sorted = Float64Array.from(lags).sort();
    const at = (part) => duration(sorted[Math.floor(part * (sorted.length - 1))]);
    const words = sorted.length === 0
      ? "No task was polled."
      : `Loop lag (from wake to poll, logarithmic): half under ${at(0.5)}, 99 % under ${at(0.99)}, longest ${at(1)}.`;
    setText(document.getElementById("lag"), findings.length === 0 ? words : `${words} Red: ${count(findings.length, "finding")}.`);
  }
}
