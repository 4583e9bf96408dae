/** Agreed examples of each level, for ears that are unsure: the sound of a level, from its most energetic part. */

import { takeFocusFrom } from "./focus.js";
import { volumeFor } from "./loudness.js";
import { playAlone } from "./one-sound.js";
import { say } from "./say.js";

/**
 * Plays one example at a time, as loud as the player would; whatever else starts on the page ends it.
 * @param {(example: ?object) => void} onChange  what is heard now
 * @param {(problem: string) => void} onFail
 */
export function exampleSound({ onChange, onFail = say }) {
  const audio = document.body.appendChild(new Audio()); // on the page, as every sound that another may silence
  let playing = null;

  function end() {
    if (!playing) return false;
    playing = null;
    audio.pause();
    onChange(null);
    return true;
  }

  async function toggle(example) {
    if (playing?.track === example.track) return end();
    playing = example;
    audio.src = example.audio;
    audio.currentTime = example.loudest?.[0] ?? 0;
    audio.volume = volumeFor(example);
    onChange(example);
    try {
      await playAlone(audio);
    } catch (error) {
      if (error.name !== "AbortError") fail(example);
    }
    return true;
  }

  function fail(example) {
    if (playing !== example) return;
    end();
    onFail(`${example.title} cannot be played.`);
  }

  // At its end, or when something else has begun. The event comes late: by then it may play once more.
  audio.addEventListener("pause", () => audio.paused && end());
  return { toggle, end };
}

/** The buttons under the scale, and Shift + number. */
export function offerExamples(root, { examples, sound }) {
  const buttons = [...root.querySelectorAll("[data-example]")];
  const row = root.querySelector("[data-examples]");
  const last = new Map(); // level -> which of its examples was heard last
  if (!examples.length) return { play: () => say("Leads have not chosen examples yet.") };

  const of = (level) => examples.filter((example) => example.level === level);

  /** The same key again ends it; the next time it is another of that level. */
  function play(level) {
    const choices = of(level);
    if (!choices.length) return say(`There is no example of level ${level} yet.`);
    if (row.dataset.playing === String(level)) return sound.end();
    const i = ((last.get(level) ?? -1) + 1) % choices.length;
    last.set(level, i);
    return sound.toggle(choices[i]);
  }

  for (const button of buttons) {
    const level = Number(button.dataset.example);
    button.disabled = !of(level).length;
    button.addEventListener("click", () => play(level));
  }
  const toggle = root.querySelector("[data-example-toggle]");
  toggle.addEventListener("click", () => {
    toggle.setAttribute("aria-expanded", String(row.toggleAttribute("data-open")));
  });
  for (const part of root.querySelectorAll("[data-examples], [data-example-hint], [data-example-toggle]")) part.hidden = false;
  return { play };
}

/** Marks what is heard. */
export function showExample(root, example) {
  root.querySelector("[data-examples]").dataset.playing = example?.level ?? "";
  for (const button of root.querySelectorAll("[data-example]")) {
    button.setAttribute("aria-pressed", String(Number(button.dataset.example) === example?.level));
  }
  const playing = root.querySelector("[data-example-playing]");
  if (!example) takeFocusFrom(playing);
  playing.hidden = !example;
  if (!example) return;
  const text = `Example of level ${example.level}: ${[example.title, example.artist].filter(Boolean).join(", ")}`;
  playing.querySelector("span").textContent = text;
  say(text);
}
