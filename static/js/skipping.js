/** Why a track is skipped: a small list beside the work, chosen from by number, Enter or touch. */

import { takeFocusFrom } from "./focus.js";

/**
 * @param {HTMLDetailsElement} details
 * @param {(reason: string, words: string) => void} onSkip
 */
export function offerSkipping(details, { onSkip }) {
  const buttons = [...details.querySelectorAll("button[name=reason]")];
  let before = null; // where the focus was

  function open() {
    before = document.activeElement;
    details.open = true;
    buttons[0].focus();
  }

  function close() {
    if (!details.open) return false;
    const goesBack = before.isConnected && before !== document.body && details.contains(document.activeElement);
    if (goesBack) before.focus();
    else takeFocusFrom(details);
    details.open = false;
    return true;
  }

  function choose(i) {
    const button = buttons[i];
    if (!button) return;
    close();
    onSkip(button.value, button.dataset.words);
  }

  details.querySelector("summary").addEventListener("click", (event) => {
    event.preventDefault();
    if (!close()) open();
  });
  details.addEventListener("submit", (event) => {
    event.preventDefault();
    choose(buttons.indexOf(event.submitter));
  });
  return {
    close,
    isOpen: () => details.open,
    choose,
    /** S opens; S once more means that nobody could judge it. */
    toggle: () => (details.open ? choose(0) : open()),
  };
}
