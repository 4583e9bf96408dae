/** The audio element that is heard and, once it is wanted, one that loads the next track meanwhile. */

/**
 * @param {HTMLElement} root  holds the first <audio>
 * @param {(type: string, event: Event) => void} onEvent  what the one that is heard has to say
 * @param {AbortSignal} signal
 */
export class AudioPair {
  static #EVENTS = [
    ..."play playing pause ended waiting timeupdate".split(" "),
    ..."seeking seeked loadedmetadata durationchange error".split(" "),
  ];
  #spare = null;
  #speed = 1;
  #onEvent;
  #signal;

  constructor(root, { onEvent, signal }) {
    this.#onEvent = onEvent;
    this.#signal = signal;
    /** The element that is heard. */
    this.active = root.querySelector("audio");
    this.#adopt(this.active);
  }

  /** Makes the sound at this address the one that is heard, from its beginning. */
  take(url) {
    const before = this.active;
    before.pause();
    if (address(before) !== url && this.#spare && address(this.#spare) === url) {
      [this.active, this.#spare] = [this.#spare, before];
    } else if (address(before) !== url) {
      before.src = url;
    }
    if (this.active.error) this.active.load(); // whatever went wrong while it was not needed may be over
    if (this.active.currentTime) this.active.currentTime = 0;
  }

  /** Loads it without a sound; null: lets go of what was loaded. */
  preload(url) {
    if (url === null) return this.#spare && empty(this.#spare);
    if (!this.#spare) {
      this.#spare = Object.assign(new Audio(), { preload: "auto" });
      this.#adopt(this.#spare);
      this.active.after(this.#spare);
    }
    if (address(this.#spare) !== url) this.#spare.src = url;
  }

  get speed() {
    return this.#speed;
  }

  set speed(speed) {
    this.#speed = speed;
    for (const audio of this.#both) setSpeed(audio, speed);
  }

  stop() {
    this.#both.forEach(empty);
  }

  get #both() {
    return this.#spare ? [this.active, this.#spare] : [this.active];
  }

  #adopt(audio) {
    audio.preservesPitch = true;
    setSpeed(audio, this.#speed);
    for (const type of AudioPair.#EVENTS) {
      const tell = (event) => audio === this.active && this.#onEvent(type, event);
      audio.addEventListener(type, tell, { signal: this.#signal });
    }
  }
}

/** As it was given: `audio.src` would be absolute. */
function address(audio) {
  return audio.getAttribute("src");
}

function setSpeed(audio, speed) {
  audio.defaultPlaybackRate = speed; // what loading goes back to
  audio.playbackRate = speed;
}

function empty(audio) {
  audio.pause();
  audio.removeAttribute("src");
  audio.load(); // stops the download
}
