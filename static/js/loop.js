/**
 * Which part of the track is played round and round: its loudest part, or a region that somebody has chosen.
 *
 * A region is dragged in a strip under the waveform, not on the waveform itself: there every press and drag seeks. So no
 * gesture means two things, nothing depends on how far or how long a finger moves, nothing needs a second hand on Shift,
 * and the strip says what it is for. Whoever cannot drag sets both ends at the playhead, by key.
 */

import { clock, secondsAt } from "./waveform.js";

const MIN_LOOP_S = 0.5; // shorter ones stutter: each round costs a seek
const MIN_DRAG = 8; // CSS pixels; less is a click
const GRAB = 12; // CSS pixels around an end that take hold of it

/**
 * @param {HTMLElement} root
 * @param {() => {time: number, duration: number}} position
 * @param {(region: ?[number, number]) => void} onChange  the region to play round and round from now on
 * @param {AbortSignal} signal
 */
export function mountLoop(root, { position, onChange, signal }) {
  const part = (name) => root.querySelector(`[data-${name}]`);
  const [strip, button, clearButton] = ["loop-strip", "loop", "loop-clear"].map(part);
  let loudest = null;
  let region = null;
  let draft = null; // while it is dragged

  /** The loudest part or none where somebody has chosen none. */
  const own = () => draft ?? (region === loudest ? null : region);

  function render() {
    const shown = own();
    button?.setAttribute("aria-pressed", String(region !== null && region === loudest));
    button?.toggleAttribute("hidden", !loudest || shown !== null); // they take turns: both would wrap, and the page jump
    strip?.toggleAttribute("data-chosen", shown !== null);
    clearButton?.toggleAttribute("hidden", !shown);
    if (!shown) return;
    const text = shown.map(clock).join(" – ");
    if (part("loop-text")) part("loop-text").textContent = text;
    if (!strip) return;
    const { duration } = position();
    const chosen = part("loop-part");
    chosen.style.left = `${(100 * shown[0]) / duration}%`;
    chosen.style.width = `${(100 * (shown[1] - shown[0])) / duration}%`;
  }

  function set(next) {
    region = next;
    draft = null;
    render();
    onChange(region);
  }

  /** From one place to another, in either direction, and never shorter than can be heard as a loop. */
  function between(one, other) {
    const { duration } = position();
    const start = Math.max(0, Math.min(one, other, duration - MIN_LOOP_S));
    return [start, Math.min(duration, Math.max(one, other, start + MIN_LOOP_S))];
  }

  /** The end of the region that a press takes hold of, or the other end of a new one: what stays while the pointer moves. */
  function anchorOf(event) {
    const { duration } = position();
    const at = secondsAt(event, strip, duration);
    const reach = (GRAB / strip.clientWidth) * duration;
    const [start, end] = own() ?? [-Infinity, -Infinity];
    if (Math.abs(at - end) < reach) return start;
    return Math.abs(at - start) < reach ? end : at;
  }

  function drag(down) {
    const anchor = anchorOf(down);
    strip.setPointerCapture(down.pointerId);
    const gesture = new AbortController();
    const on = (type, listener) => strip.addEventListener(type, listener, { signal: gesture.signal });
    on("pointermove", (event) => {
      if (!draft && Math.abs(event.clientX - down.clientX) < MIN_DRAG) return;
      draft = between(anchor, secondsAt(event, strip, position().duration));
      render();
      onChange(region); // still the old one: a region in the making is shown, not played
    });
    on("pointerup", () => {
      gesture.abort();
      set(draft); // none: a click on the strip ends the loop
    });
    on("pointercancel", () => {
      gesture.abort();
      set(region); // the page was scrolled
    });
  }

  strip?.addEventListener("pointerdown", (event) => event.button === 0 && position().duration && drag(event), { signal });
  clearButton?.addEventListener(
    "click",
    () => {
      const hadFocus = clearButton === document.activeElement;
      set(null);
      if (hadFocus) part("play").focus();
    },
    { signal },
  );

  return {
    /** Forgets the region; the next track has a loudest part of its own. */
    show(itsLoudest) {
      loudest = itsLoudest;
      set(null);
    },
    get region() {
      return region;
    },
    get loudest() {
      return loudest;
    },
    get own() {
      return own();
    },
    clear: () => set(null),
    toggleLoudest: () => loudest && set(region === loudest ? null : loudest),
    /** The other end stays where it is, or is that of the track where it would come before. */
    startHere() {
      const { time, duration } = position();
      set(between(time, region && region[1] > time ? region[1] : duration));
    },
    endHere() {
      const { time } = position();
      set(between(region && region[0] < time ? region[0] : 0, time));
    },
  };
}
