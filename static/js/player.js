/** Plays a track: buttons, keys, the loop over its loudest part, and how many seconds of it were heard. */

import { isOperable, isShortcut } from "./keys.js";
import { clock, mountWaveform } from "./waveform.js";

const SPEEDS = [0.75, 1, 1.25, 1.5, 2];
const STEP_S = 5;
const ERRORS = {
  1: "loading was stopped",
  2: "the connection was lost",
  3: "the file is damaged",
  4: "the file is missing or of an unknown kind",
};

const players = new Map(); // root element -> player

/**
 * Makes one [data-player] work. Idempotent.
 * @param {HTMLElement} root  holds an <audio>; every other part is optional
 */
export function mountPlayer(root) {
  if (players.has(root)) return players.get(root);
  const audio = root.querySelector("audio");
  const part = (name) => root.querySelector(`[data-${name}]`);
  const canvas = part("wave");
  const loopButton = part("loop");
  const region = loopButton && [Number(loopButton.dataset.loopStart), Number(loopButton.dataset.loopEnd)];
  const ended = new AbortController();
  const { signal } = ended;
  let looping = false;
  let lastTime = 0;
  let heard = 0;
  let frame = 0;

  const duration = () => (Number.isFinite(audio.duration) ? audio.duration : Number(canvas?.dataset.duration) || 0);
  const show = canvas && mountWaveform(canvas, { onSeek: seek, signal });

  function render() {
    const time = audio.currentTime;
    show?.({ time, duration: duration(), loop: region });
    setText(part("time"), clock(time));
    setText(part("total"), clock(duration()));
  }

  /** Counts what was played since the last call; jumps are no listening (see `seek` and "seeking"). */
  function advance() {
    const time = audio.currentTime;
    if (time > lastTime) heard += time - lastTime;
    lastTime = time;
    writeHeard(root, heard);
    if (looping && time >= region[1]) seek(region[0]);
    render();
  }

  function seek(seconds) {
    audio.currentTime = Math.min(Math.max(0, seconds), duration());
    lastTime = audio.currentTime;
    render();
  }

  async function toggle() {
    if (!audio.paused) return audio.pause();
    for (const other of players.values()) if (other !== player) other.pause();
    try {
      await audio.play();
    } catch (error) {
      // AbortError: paused or replaced before it started. NotSupportedError: the "error" event tells.
      if (error.name === "NotAllowedError") fail("press play to allow sound");
      else if (error.name !== "AbortError" && error.name !== "NotSupportedError") throw error;
    }
  }

  function toggleLoop() {
    if (!region) return;
    looping = !looping;
    loopButton.setAttribute("aria-pressed", String(looping));
    if (looping && (audio.currentTime < region[0] || audio.currentTime >= region[1])) seek(region[0]);
  }

  /** By one step up or down; from the button round and round. */
  function changeSpeed(step, { wrap = false } = {}) {
    const next = SPEEDS.indexOf(audio.playbackRate) + step;
    const last = SPEEDS.length - 1;
    audio.playbackRate = SPEEDS[wrap ? (next + SPEEDS.length) % SPEEDS.length : Math.min(last, Math.max(0, next))];
    setText(part("speed"), `Speed ${audio.playbackRate}×`);
  }

  function fail(reason) {
    const message = part("player-error");
    if (message) message.hidden = false; // first: a hidden region announces nothing
    setText(message, `This track cannot be played: ${reason}.`);
  }

  function showPlaying() {
    part("play")?.toggleAttribute("data-playing", !audio.paused);
    part("play")?.setAttribute("aria-label", audio.paused ? "Play" : "Pause");
    cancelAnimationFrame(frame);
    if (!audio.paused) frame = requestAnimationFrame(tick);
  }

  /** Smooth while the tab is seen; "timeupdate" goes on in the background. */
  function tick() {
    advance();
    if (!audio.paused) frame = requestAnimationFrame(tick);
  }

  function unmount() {
    ended.abort();
    cancelAnimationFrame(frame);
    audio.pause();
    audio.removeAttribute("src");
    audio.load(); // stops the download
    players.delete(root);
  }

  const on = (target, type, listener) => target?.addEventListener(type, listener, { signal });
  on(part("play"), "click", toggle);
  on(loopButton, "click", toggleLoop);
  on(part("speed"), "click", () => changeSpeed(1, { wrap: true }));
  root.querySelectorAll("[data-seek]").forEach((button) => {
    on(button, "click", () => seek(audio.currentTime + Number(button.dataset.seek)));
  });
  // A click leaves the focus where it was: Space goes on meaning play, not the button pressed last.
  on(root, "mousedown", (event) => event.target.closest("button") && event.preventDefault());
  for (const type of ["play", "pause", "ended"]) on(audio, type, showPlaying);
  on(audio, "timeupdate", advance);
  on(audio, "seeking", () => (lastTime = audio.currentTime));
  for (const type of ["seeked", "loadedmetadata", "durationchange"]) on(audio, type, render);
  on(audio, "error", () => fail(ERRORS[audio.error?.code] ?? "the reason is unknown"));

  const pause = () => audio.pause();
  const skip = (seconds) => seek(audio.currentTime + seconds);
  const player = { toggle, toggleLoop, changeSpeed, unmount, pause, skip };
  players.set(root, player);
  render();
  showPlaying();
  // It may have failed before this module had loaded.
  if (audio.error) fail(ERRORS[audio.error.code] ?? "the reason is unknown");
  return player;
}

/** Mounts every player in the container and unmounts those that have left the page. */
export function mountAll(container = document) {
  unmountGone();
  if (container instanceof Element && container.matches("[data-player]")) mountPlayer(container);
  container.querySelectorAll("[data-player]").forEach(mountPlayer);
}

function unmountGone() {
  for (const [root, player] of players) if (!root.isConnected) player.unmount();
}

function setText(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

/** Into every input[name=listened_s] of the nearest ancestor that holds one: the forms beside the player. */
function writeHeard(root, seconds) {
  for (let element = root; element; element = element.parentElement) {
    const inputs = element.querySelectorAll("input[name=listened_s]");
    if (!inputs.length) continue;
    for (const input of inputs) input.value = seconds.toFixed(1);
    return;
  }
}

const KEYS = {
  " ": (player) => player.toggle(),
  ArrowLeft: (player) => player.skip(-STEP_S),
  ArrowRight: (player) => player.skip(STEP_S),
  l: (player) => player.toggleLoop(),
  "[": (player) => player.changeSpeed(-1),
  "]": (player) => player.changeSpeed(1),
};

document.addEventListener("keydown", (event) => {
  const [player] = players.values();
  const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  // Space on a button presses it, as everywhere.
  if (!player || !act || !isShortcut(event) || (event.key === " " && isOperable(event.target))) return;
  event.preventDefault();
  act(player);
});

document.addEventListener("htmx:afterSwap", unmountGone);
document.addEventListener("htmx:load", (event) => mountAll(event.detail.elt));
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => mountAll());
else mountAll();
