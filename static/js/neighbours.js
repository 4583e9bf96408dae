/** Plays tracks that sound alike, each from its most energetic part: one at a time, and not beside the player. */

import { exampleSound } from "./examples.js";

const sound = exampleSound({ onChange: show, onFail: explain });

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-hear]");
  if (!button) return;
  explain("");
  sound.toggle(soundOf(button));
});

function soundOf({ dataset }) {
  const number = (text) => (text ? Number(text) : null);
  return {
    track: number(dataset.hear),
    title: dataset.title,
    audio: dataset.audio,
    loudest: [number(dataset.loudestStart)],
    loudness_lufs: number(dataset.loudness),
  };
}

/** Marks what is heard. */
function show(playing) {
  for (const button of document.querySelectorAll("[data-hear]")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.hear) === playing?.track));
  }
}

function explain(problem) {
  document.querySelector("[data-hear-problem]").textContent = problem;
}
