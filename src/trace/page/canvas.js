"use strict";
// Functions for both canvases: the resolution of the screen, and the colours of the style sheet.

/** Sets the resolution of a canvas to that of the screen, and clears it. The unit of the context is a CSS pixel. */
function fitCanvas(canvas) {
  const scale = window.devicePixelRatio || 1;
  const width = Math.round(canvas.clientWidth * scale), height = Math.round(canvas.clientHeight * scale);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
  return context;
}

const COLOURS = [
  "paper", "panel", "ink", "soft", "line", "accent", "polling", "queued", "waiting", "source", "timer", "job", "finding", "turn",
];
let coloursNow = null;

/** Returns the colours of the current theme, light or dark. */
function theme() {
  if (coloursNow === null) {
    const style = getComputedStyle(document.documentElement);
    coloursNow = Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    coloursNow.font = style.getPropertyValue("--font").trim();
  }
  return coloursNow;
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  coloursNow = null;
});
