/** Draws the peaks of a track on a canvas and lets people seek in them. Knows nothing of audio. */

const BAR_WIDTH = 3; // CSS pixels, of which the last is the gap
const STEP_S = 5;
const PAGE_S = 15;
const COLOURS = ["played", "rest", "loop", "loop-edge", "own", "own-edge", "head"];

/** 83.4 -> "1:23" */
export function clock(seconds) {
  const whole = Math.floor(Number.isFinite(seconds) ? seconds : 0);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Base64 of one byte a peak -> Uint8Array. */
function decode(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** The largest peak within each of n equal stretches: the mean would hide the loud moments. */
function largest(peaks, n) {
  return Array.from({ length: n }, (_, i) => {
    const from = Math.floor((i * peaks.length) / n);
    const to = Math.max(from + 1, Math.floor(((i + 1) * peaks.length) / n));
    return Math.max(...peaks.subarray(from, to));
  });
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {(seconds: number) => void} onSeek
 * @param {AbortSignal} signal  ends every listener and observer
 * @returns {{setPeaks: (base64: string) => void, show: (state: {time: number, duration: number,
 *   loudest: ?[number, number], own: ?[number, number]}) => void}}  `own`: the region somebody has dragged
 */
export function mountWaveform(canvas, { onSeek, signal }) {
  let state = { time: 0, duration: 0, loudest: null, own: null };
  let peaks = decode("");
  let bars = null; // drawn once; see drawBars
  let frame = 0;

  function schedule() {
    // One drawing a frame, however many reasons there are for it.
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      if (!canvas.clientWidth || !canvas.clientHeight) return;
      bars ??= drawBars(canvas, peaks);
      draw(canvas, bars, state);
    });
  }

  function redraw() {
    bars = null;
    schedule();
  }

  function seekTo(seconds) {
    if (state.duration) onSeek(Math.min(state.duration, Math.max(0, seconds)));
  }

  const on = (type, listener) => canvas.addEventListener(type, listener, { signal });
  on("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    seekTo(secondsAt(event, canvas, state.duration));
  });
  on("pointermove", (event) => {
    if (canvas.hasPointerCapture(event.pointerId)) seekTo(secondsAt(event, canvas, state.duration));
  });
  on("keydown", (event) => {
    const target = keyTarget(event, state);
    if (target === undefined) return;
    event.preventDefault(); // also tells the page-wide keys that this one is taken
    seekTo(target);
  });
  watchLook(canvas, redraw, signal);
  signal.addEventListener("abort", () => cancelAnimationFrame(frame));

  return {
    setPeaks(base64) {
      peaks = decode(base64);
      redraw();
    },
    show(next) {
      const same = isSamePicture(canvas, state, next);
      state = next;
      describe(canvas, state);
      if (!same) schedule();
    },
  };
}

/** Where in the track a pointer is that is on (or, while dragged, beside) an element as wide as the track is long. */
export function secondsAt(event, element, duration) {
  const box = element.getBoundingClientRect();
  return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * duration;
}

function keyTarget(event, { time, duration }) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return undefined;
  return {
    ArrowLeft: time - STEP_S,
    ArrowDown: time - STEP_S,
    ArrowRight: time + STEP_S,
    ArrowUp: time + STEP_S,
    PageDown: time - PAGE_S,
    PageUp: time + PAGE_S,
    Home: 0,
    End: duration,
  }[event.key];
}

/** Calls back when size or theme change. The theme may come from the system or from an attribute of <html>. */
function watchLook(canvas, callback, signal) {
  const resized = new ResizeObserver(callback);
  resized.observe(canvas);
  const rethemed = new MutationObserver(callback);
  rethemed.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "class"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", callback, { signal });
  signal.addEventListener("abort", () => {
    resized.disconnect();
    rethemed.disconnect();
  });
}

/** In a minute of music the playhead moves by a pixel some 15 times a second: not every frame is another picture. */
function isSamePicture(canvas, before, after) {
  const pixel = ({ time, duration }) => Math.round((time / duration) * canvas.width);
  return (
    pixel(before) === pixel(after) &&
    before.duration === after.duration &&
    String(before.loudest) === String(after.loudest) &&
    String(before.own) === String(after.own)
  );
}

/** Keeps the slider's value for screen readers, in whole seconds so that they are not flooded. */
function describe(canvas, { time, duration }) {
  const text = `${clock(time)} of ${clock(duration)}`;
  if (canvas.getAttribute("aria-valuetext") === text) return;
  canvas.setAttribute("aria-valuemin", "0");
  canvas.setAttribute("aria-valuemax", String(Math.floor(duration)));
  canvas.setAttribute("aria-valuenow", String(Math.floor(time)));
  canvas.setAttribute("aria-valuetext", text);
}

/**
 * All bars as played and all as not yet played, each off the screen: what is left to do for each frame is to copy two
 * rectangles. Also fits the canvas to its size on the screen.
 */
function drawBars(canvas, peaks) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(canvas.clientWidth * ratio);
  canvas.height = Math.round(canvas.clientHeight * ratio);
  // Registered as colours in parts.css, so light-dark() and var() are resolved here: a canvas understands neither.
  const style = getComputedStyle(canvas);
  const colours = Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--wave-${name}`)]));
  const n = Math.max(1, Math.floor(canvas.clientWidth / BAR_WIDTH));
  const tall = peaks.length ? largest(peaks, n) : [];
  const barsOf = (colour) => barsIn(colour, canvas, tall, ratio);
  return { ratio, colours, played: barsOf(colours.played), rest: barsOf(colours.rest) };
}

function barsIn(colour, { width, height }, peaks, ratio) {
  const layer = Object.assign(document.createElement("canvas"), { width, height });
  const context = layer.getContext("2d");
  context.fillStyle = colour;
  const step = width / peaks.length;
  peaks.forEach((peak, i) => {
    const tall = Math.max(2 * ratio, (peak / 255) * (height - 12 * ratio));
    // Edges on device pixels, or every other bar is blurred.
    context.fillRect(Math.round(i * step), (height - tall) / 2, Math.round(step * 0.66), tall);
  });
  return layer;
}

function draw(canvas, { ratio, colours, played, rest }, { time, duration, loudest, own }) {
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  const at = (seconds) => (duration ? Math.round((seconds / duration) * width) : 0);
  const shade = ([from, to], name) => {
    const [left, wide] = [at(from), Math.max(1, at(to) - at(from))];
    context.fillStyle = colours[name];
    context.fillRect(left, 0, wide, height);
    context.fillStyle = colours[`${name}-edge`];
    for (const edge of [left, left + wide - ratio]) context.fillRect(edge, 0, ratio, height);
  };
  const copy = (layer, from, to) => {
    if (to > from) context.drawImage(layer, from, 0, to - from, height, from, 0, to - from, height);
  };
  context.clearRect(0, 0, width, height);
  if (loudest) shade(loudest, "loop");
  if (own) shade(own, "own");
  const head = Math.min(width, at(time));
  copy(played, 0, head);
  copy(rest, head, width);
  context.fillStyle = colours.head;
  context.fillRect(Math.min(width - 2 * ratio, Math.max(0, head - ratio)), 0, 2 * ratio, height);
}
