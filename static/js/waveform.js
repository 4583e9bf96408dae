/** Draws the peaks of a track on a canvas and lets people seek in them. Knows nothing of audio. */

const BAR_WIDTH = 3; // CSS pixels, of which the last is the gap
const STEP_S = 5;
const PAGE_S = 15;

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
 * @param {HTMLCanvasElement} canvas  with data-peaks
 * @param {(seconds: number) => void} onSeek
 * @param {AbortSignal} signal  ends every listener and observer
 * @returns {(state: {time: number, duration: number, loop: ?[number, number]}) => void}  draws a state
 */
export function mountWaveform(canvas, { onSeek, signal }) {
  const peaks = decode(canvas.dataset.peaks ?? "");
  let state = { time: 0, duration: Number(canvas.dataset.duration) || 0, loop: null };
  let frame = 0;

  function schedule() {
    // One drawing a frame, however many reasons there are for it.
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      draw(canvas, peaks, state);
    });
  }

  function seekTo(seconds) {
    if (state.duration) onSeek(Math.min(state.duration, Math.max(0, seconds)));
  }

  function seekToPointer(event) {
    const box = canvas.getBoundingClientRect();
    seekTo(((event.clientX - box.left) / box.width) * state.duration);
  }

  const on = (type, listener) => canvas.addEventListener(type, listener, { signal });
  on("pointerdown", (event) => {
    if (event.button !== 0) return;
    canvas.setPointerCapture(event.pointerId);
    seekToPointer(event);
  });
  on("pointermove", (event) => canvas.hasPointerCapture(event.pointerId) && seekToPointer(event));
  on("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const target = {
      ArrowLeft: state.time - STEP_S,
      ArrowDown: state.time - STEP_S,
      ArrowRight: state.time + STEP_S,
      ArrowUp: state.time + STEP_S,
      PageDown: state.time - PAGE_S,
      PageUp: state.time + PAGE_S,
      Home: 0,
      End: state.duration,
    }[event.key];
    if (target === undefined) return;
    event.preventDefault(); // also tells the page-wide keys that this one is taken
    seekTo(target);
  });

  const resized = new ResizeObserver(schedule);
  resized.observe(canvas);
  // The theme may come from the system or from an attribute of <html>.
  const rethemed = new MutationObserver(schedule);
  rethemed.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme", "class"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", schedule, { signal });
  signal.addEventListener("abort", () => {
    resized.disconnect();
    rethemed.disconnect();
    cancelAnimationFrame(frame);
  });

  return (next) => {
    state = next;
    describe(canvas, state);
    schedule();
  };
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

function draw(canvas, peaks, { time, duration, loop }) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (!width || !height) return;
  const [pixelWidth, pixelHeight] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== pixelWidth || canvas.height !== pixelHeight) {
    [canvas.width, canvas.height] = [pixelWidth, pixelHeight];
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  // Registered as colours in parts.css, so light-dark() and var() are resolved here: a canvas understands neither.
  const style = getComputedStyle(canvas);
  const colour = (name) => style.getPropertyValue(name);
  const at = (seconds) => (duration ? (seconds / duration) * width : 0);

  if (loop) drawLoop(context, at(loop[0]), at(loop[1]), height, colour);
  drawBars(context, peaks, { width, height, played: at(time), ratio }, colour);
  context.fillStyle = colour("--wave-head");
  context.fillRect(Math.min(width - 2, Math.max(0, at(time) - 1)), 0, 2, height);
}

function drawLoop(context, from, to, height, colour) {
  context.fillStyle = colour("--wave-loop");
  context.fillRect(from, 0, to - from, height);
  context.strokeStyle = colour("--wave-loop-edge");
  context.strokeRect(from + 0.5, 0.5, Math.max(0, to - from - 1), height - 1);
}

function drawBars(context, peaks, { width, height, played, ratio }, colour) {
  if (!peaks.length) return;
  const n = Math.max(1, Math.floor(width / BAR_WIDTH));
  const step = width / n;
  const snap = (x) => Math.round(x * ratio) / ratio; // edges on device pixels, or every other bar is blurred
  const [done, rest] = [colour("--wave-played"), colour("--wave-rest")];
  largest(peaks, n).forEach((peak, i) => {
    const tall = Math.max(2, (peak / 255) * (height - 12));
    context.fillStyle = (i + 0.5) * step <= played ? done : rest;
    context.fillRect(snap(i * step), (height - tall) / 2, snap(step * 0.66), tall);
  });
}
