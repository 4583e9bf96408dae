/** The keys of the label page; those of the player are its own. */

import { isFree, isShortcut, levelOf } from "./keys.js";

/**
 * @param {object} actions
 * @param {(level: number) => void} actions.number
 * @param {(level: number) => void} actions.example  Shift + number
 * @param {() => boolean} actions.escape  whether there was something to leave
 * @param {Object<string, () => void>} actions.letters
 */
export function listenToKeys({ number, example, escape, letters }) {
  /** Returns whether the key meant something. */
  function act(event) {
    if (!isFree(event)) return false;
    const level = levelOf(event);
    const letter = isShortcut(event) && letters[event.key.toLowerCase()];
    if (level) (event.shiftKey ? example : number)(level);
    else if (event.key === "Escape") return escape();
    else if (letter) letter();
    return Boolean(level || letter);
  }

  // Before the player, to which Escape means the end of a loop.
  document.addEventListener("keydown", (event) => act(event) && event.preventDefault(), { capture: true });
}
