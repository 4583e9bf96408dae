/** Plays tracks: speed, loops, how loud, and how many seconds of each were heard. */

import { mountLoop } from "./loop.js";
import { mountLoudness, volumeFor } from "./loudness.js";
import { playAlone } from "./one-sound.js";
import { AudioPair } from "./pair.js";
import { explain } from "./trouble.js";
import { clock, mountWaveform } from "./waveform.js";

const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 2];
const TELL_EVERY_S = 0.2; // of what was heard
const STALLED_MS = 5000; // without a sound, before somebody is told

/**
 * @typedef {object} Sound  a track as the server describes it
 * @property {number} track
 * @property {string} audio  address of the file
 * @property {number} duration_s
 * @property {?[number, number]} loudest
 * @property {?number} loudness_lufs
 * @property {boolean} is_synthetic
 * @property {string} [peaks]  base64
 */

/**
 * Of the root only the <audio> must be there; its data attributes, if it has them, are the first sound.
 *
 * Tells the root, by events that bubble: "player:sound" {track} when a track is first heard, "player:heard"
 * {track, heard_s} several times a second while it plays, "player:error" {track, reason} when it cannot be played.
 */
export class Player {
  #root;
  #pair;
  #loop;
  #wave;
  #sound = null;
  #heard = 0; // seconds of the track: at double speed two in a second
  #told = null;
  #lastTime = 0;
  #frame = 0;
  #stalled = 0;
  #ended = new AbortController();

  constructor(root) {
    this.#root = root;
    const { signal } = this.#ended;
    const canvas = this.#part("wave");
    const position = () => ({ time: this.#audio.currentTime, duration: this.#duration });
    this.#pair = new AudioPair(root, { onEvent: (type) => this.#on(type), signal });
    this.#wave = canvas && mountWaveform(canvas, { onSeek: (seconds) => this.seek(seconds), signal });
    this.#loop = mountLoop(root, { position, onChange: () => this.#followLoop(), signal });
    mountLoudness(root, { onChange: () => this.#setVolume(), signal });
    this.#listen(signal);
    if (root.dataset.track) this.show(soundOf(root));
  }

  get #audio() {
    return this.#pair.active;
  }

  get #duration() {
    const { duration } = this.#audio;
    return Number.isFinite(duration) ? duration : (this.#sound?.duration_s ?? 0);
  }

  // ---- What pages call

  /**
   * Makes this the track to hear. Speed, volume and loudness stay; what was heard and the loop begin anew.
   * @param {Sound} sound
   */
  show(sound, { autoplay = false } = {}) {
    this.#sound = sound;
    this.#hideTrouble();
    this.#pair.take(sound.audio);
    this.#heard = this.#lastTime = 0;
    this.#told = null;
    this.#setVolume();
    this.#wave?.setPeaks(sound.peaks ?? "");
    this.#loop.show(sound.loudest);
    this.#part("synthetic-chip")?.toggleAttribute("hidden", !sound.is_synthetic);
    this.#tell();
    this.#showPlaying();
    if (autoplay) this.play();
    // It may have failed before this module had loaded.
    else if (this.#audio.error) this.#explain();
  }

  /** Loads what is likely to be shown next; null: lets go of it. */
  preload(sound) {
    this.#pair.preload(sound && sound.audio);
  }

  async play() {
    try {
      await playAlone(this.#audio);
    } catch (error) {
      // AbortError: paused or replaced before it started. NotSupportedError: the "error" event tells.
      if (error.name === "NotAllowedError") this.#say("The browser waits for you before it plays sound: press play.");
      else if (error.name !== "AbortError" && error.name !== "NotSupportedError") throw error;
    }
  }

  pause() {
    this.#audio.pause();
  }

  toggle() {
    if (this.#audio.paused) this.play();
    else this.pause();
  }

  seek(seconds) {
    const [start, end] = this.#loop.region ?? [0, Infinity];
    this.#jump(Math.min(Math.max(0, seconds), this.#duration));
    // Whoever goes out of the loop wants to hear something else.
    if (this.#lastTime < start || this.#lastTime >= end) this.#loop.clear();
  }

  skip(seconds) {
    this.seek(this.#audio.currentTime + seconds);
  }

  toggleLoop() {
    this.#loop.toggleLoudest();
    this.#announce(this.#loop.region ? "The loudest part is looped." : "The loop is off.");
  }

  /** The loop's ends, at the playhead. */
  startLoopHere() {
    this.#loop.startHere();
    this.#announceLoop();
  }

  endLoopHere() {
    this.#loop.endHere();
    this.#announceLoop();
  }

  /** Returns whether there was one. */
  clearLoop() {
    if (!this.#loop.region) return false;
    this.#loop.clear();
    this.#announce("The loop is off.");
    return true;
  }

  changeSpeed(step) {
    const next = SPEEDS.indexOf(this.#pair.speed) + step;
    this.#pair.speed = SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, next))];
    setText(this.#part("rate"), `${this.#pair.speed}×`);
    this.#announce(`Speed ${this.#pair.speed}×`);
  }

  /** Where in the shown track the playhead is. */
  get time() {
    return this.#audio.currentTime;
  }

  /** Seconds of the shown track that were heard until now. */
  heard() {
    this.#advance();
    return this.#heard;
  }

  /** Whether there is anything to see of it. */
  get isShown() {
    return this.#root.checkVisibility();
  }

  owns(audio) {
    return audio === this.#audio;
  }

  unmount() {
    this.#ended.abort();
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#stalled);
    this.#pair.stop();
  }

  // ---- Time

  /** Counts what was played since the last call. Jumps are no listening, and neither is silence. */
  #advance() {
    const { currentTime: time, seeking, paused, muted, volume } = this.#audio;
    const audible = !seeking && !muted && volume > 0;
    if (audible && time > this.#lastTime) {
      if (!this.#heard) this.#dispatch("sound");
      this.#heard += time - this.#lastTime;
    }
    this.#lastTime = time;
    if (paused || this.#heard - this.#told >= TELL_EVERY_S) this.#tell();
    const [start, end] = this.#loop.region ?? [0, Infinity];
    if (time >= end && !paused) this.#jump(start);
    this.#render();
  }

  #tell() {
    if (this.#told === this.#heard) return;
    this.#told = this.#heard;
    this.#dispatch("heard", { heard_s: this.#heard });
  }

  #jump(seconds) {
    this.#audio.currentTime = seconds;
    this.#lastTime = seconds;
    this.#render();
  }

  #followLoop() {
    const time = this.#audio.currentTime;
    const [start, end] = this.#loop.region ?? [0, Infinity];
    if (time < start || time >= end) this.#jump(start);
    else this.#render();
  }

  /** Smooth while the tab is seen; "timeupdate" goes on in the background. */
  #tick = () => {
    this.#advance();
    if (!this.#audio.paused) this.#frame = requestAnimationFrame(this.#tick);
  };

  // ---- What the browser says

  #on(type) {
    ({
      play: () => this.#showPlaying(),
      playing: () => this.#hideTrouble(),
      waiting: () => this.#expectSound(),
      pause: () => this.#stop(),
      ended: () => this.#end(),
      timeupdate: () => this.#advance(),
      seeking: () => (this.#lastTime = this.#audio.currentTime),
      error: () => this.#explain(),
    })[type]?.();
    this.#render();
  }

  #stop() {
    this.#advance();
    this.#showPlaying();
  }

  /** A loop that reaches the track's end goes on as any other. */
  #end() {
    this.#stop();
    if (!this.#loop.region) return;
    this.#jump(this.#loop.region[0]);
    this.play();
  }

  #expectSound() {
    clearTimeout(this.#stalled);
    this.#stalled = setTimeout(() => {
      if (this.#audio.paused || this.#audio.error) return;
      this.#say("No sound arrives: the connection is slow or lost.", { isError: true, canRetry: true });
    }, STALLED_MS);
  }

  async #explain() {
    const [sound, { error }] = [this.#sound, this.#audio];
    const { reason, canRetry } = await explain(error, sound.audio);
    if (sound !== this.#sound || !this.#audio.error) return; // another track is shown, or it plays after all
    this.#say(`This track cannot be played: ${reason}.`, { isError: true, canRetry });
    this.#dispatch("error", { reason });
  }

  #retry({ plays }) {
    const { currentTime } = this.#audio;
    this.#hideTrouble();
    this.#audio.load();
    this.#jump(currentTime);
    if (plays) this.play();
  }

  // ---- What people see

  #render() {
    const [time, duration] = [this.#audio.currentTime, this.#duration];
    this.#wave?.show({ time, duration, loudest: this.#loop.loudest, own: this.#loop.own });
    setText(this.#part("time"), clock(time));
    setText(this.#part("total"), clock(duration));
  }

  #showPlaying() {
    const { paused } = this.#audio;
    this.#part("play")?.toggleAttribute("data-playing", !paused);
    this.#part("play")?.setAttribute("aria-label", paused ? "Play" : "Pause");
    cancelAnimationFrame(this.#frame);
    if (paused) clearTimeout(this.#stalled);
    else this.#frame = requestAnimationFrame(this.#tick);
  }

  #setVolume() {
    if (this.#sound) this.#audio.volume = volumeFor(this.#sound);
  }

  #say(text, { isError = false, canRetry = false } = {}) {
    const message = this.#part("player-error");
    if (!message) return;
    this.#part("trouble").hidden = false; // first: a hidden region announces nothing
    message.classList.toggle("error", isError);
    setText(message, text);
    this.#part("retry").hidden = !canRetry;
  }

  #hideTrouble() {
    clearTimeout(this.#stalled);
    if (this.#part("trouble")) this.#part("trouble").hidden = true;
    setText(this.#part("player-error"), "");
  }

  /** For ears only: who sees the page sees it. */
  #announce(text) {
    setText(this.#part("said"), text);
  }

  #announceLoop() {
    this.#announce(`Looped from ${this.#loop.region.map(clock).join(" to ")}.`);
  }

  #dispatch(name, detail = {}) {
    const options = { bubbles: true, detail: { track: this.#sound.track, ...detail } };
    this.#root.dispatchEvent(new CustomEvent(`player:${name}`, options));
  }

  #part(name) {
    return this.#root.querySelector(`[data-${name}]`);
  }

  #listen(signal) {
    const on = (target, type, listener) => target?.addEventListener(type, listener, { signal });
    on(this.#part("play"), "click", () => this.toggle());
    on(this.#part("loop"), "click", () => this.toggleLoop());
    on(this.#part("slower"), "click", () => this.changeSpeed(-1));
    on(this.#part("faster"), "click", () => this.changeSpeed(1));
    on(this.#part("retry"), "click", () => this.#retry({ plays: true }));
    for (const button of this.#root.querySelectorAll("[data-seek]")) {
      on(button, "click", () => this.skip(Number(button.dataset.seek)));
    }
    // A click leaves the focus where it was: Space goes on meaning play, not the button pressed last.
    on(this.#root, "mousedown", (event) => event.target.closest("button") && event.preventDefault());
    on(window, "online", () => {
      if (this.#part("retry")?.checkVisibility()) this.#retry({ plays: !this.#audio.paused });
    });
  }
}

/** What the data attributes of a player say, as the label page's doors would. */
function soundOf(root) {
  const { dataset } = root;
  const number = (text) => (text ? Number(text) : null);
  return {
    track: number(dataset.track),
    audio: root.querySelector("audio").getAttribute("src"),
    duration_s: number(dataset.duration),
    loudest: dataset.loudestEnd ? [number(dataset.loudestStart), number(dataset.loudestEnd)] : null,
    loudness_lufs: number(dataset.loudness),
    is_synthetic: "synthetic" in dataset,
    peaks: dataset.peaks,
  };
}

function setText(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}
