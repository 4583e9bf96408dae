/** The keys of the label page: a number labels the track and moves on. */

import { click, clickLevel, guardForms, isShortcut, levelOf, offerHelp } from "./keys.js";

const BUTTONS = { s: "[data-skip]", b: "[data-broken]" };

document.addEventListener("keydown", (event) => {
  if (!isShortcut(event)) return;
  const level = levelOf(event);
  const form = document.querySelector("[data-level-form]");
  const button = BUTTONS[event.key.toLowerCase()];
  if (level && form) {
    event.preventDefault();
    clickLevel(form, level);
  } else if (button && click(button)) {
    event.preventDefault();
  }
});

guardForms();
offerHelp();
