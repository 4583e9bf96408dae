/** Unsure? Holds the track against two or three whose level is agreed, and says where the answers place it. */

import { takeFocusFrom } from "./focus.js";
import { say } from "./say.js";

/**
 * @param {HTMLElement} card
 * @param {object} options
 * @param {(example: object) => void} options.onPlay
 * @param {(example: object, answer: string) => void} options.onAnswer
 */
export function offerComparing(card, { onPlay, onAnswer }) {
  const list = card.querySelector("[data-compare-list]");
  const levels = [...card.querySelectorAll("[data-near]")];
  let answers = new Map(); // level -> calmer, same or stronger
  let isPicking = false;

  /** C: the next number is the level near which to compare. */
  function pick() {
    isPicking = true;
    card.toggleAttribute("data-picking", true);
    card.scrollIntoView({ block: "nearest" });
    tell("Near which level? Press a number.");
  }

  function stopPicking() {
    const was = isPicking;
    isPicking = false;
    card.toggleAttribute("data-picking", false);
    return was;
  }

  async function near(level) {
    stopPicking();
    for (const button of levels) button.setAttribute("aria-pressed", String(Number(button.dataset.near) === level));
    try {
      const response = await fetch(`/label/compare/?level=${level}`, { headers: { Accept: "application/json" } });
      if (!response.ok) throw new Error(`the server answered ${response.status}`);
      show((await response.json()).examples);
    } catch (error) {
      tell(`The examples could not be fetched: ${error.message}.`);
    }
  }

  function show(examples) {
    answers = new Map();
    list.replaceChildren(...examples.map(row));
    tell(`Play ${examples.length === 1 ? "it" : "them"}, and say what this track is: calmer, the same or stronger.`);
    list.querySelector("button")?.focus({ preventScroll: true });
  }

  function row(example) {
    const node = document.querySelector("#compared").content.firstElementChild.cloneNode(true);
    node.querySelector(".level").textContent = example.level;
    node.querySelector(".level").classList.add(`level-${example.level}`);
    node.querySelector(".name").textContent = example.title;
    const play = node.querySelector("[data-play-other]");
    play.setAttribute("aria-label", `Play ${example.title}, level ${example.level}`);
    play.addEventListener("click", () => onPlay(example));
    const choices = node.querySelector("[role=group]");
    choices.setAttribute("aria-label", `Than ${example.title}, this track is`);
    choices.addEventListener("click", ({ target }) => target.value && answer(example, target, choices));
    return node;
  }

  function answer(example, button, choices) {
    if (answers.get(example.level) === button.value) return;
    answers.set(example.level, button.value);
    for (const each of choices.children) each.setAttribute("aria-pressed", String(each === button));
    tell(placeOf(answers));
    onAnswer(example, button.value);
  }

  function tell(text) {
    card.querySelector("[data-compare-says]").textContent = text;
    say(text);
  }

  /** Another track: what was said of the one before does not hold for it. */
  function reset() {
    stopPicking();
    answers = new Map();
    takeFocusFrom(list);
    list.replaceChildren();
    for (const button of levels) button.setAttribute("aria-pressed", "false");
    card.querySelector("[data-compare-says]").textContent = "Choose the level that you think of.";
  }

  for (const button of levels) button.addEventListener("click", () => near(Number(button.dataset.near)));
  card.hidden = false;
  reset();
  return { pick, near, reset, stopPicking, isPicking: () => isPicking };
}

/** Where answers place a track, in words: [[6, "stronger"], [8, "calmer"]] -> about 7. */
export function placeOf(answers) {
  const of = (answer) => [...answers].filter(([, given]) => given === answer).map(([level]) => level);
  const [same, above, below] = [of("same"), Math.max(0, ...of("stronger")), Math.min(11, ...of("calmer"))];
  if (above >= below || same.some((level) => level <= above || level >= below) || new Set(same).size > 1) {
    return "Your answers do not go together. Listen once more.";
  }
  if (same.length) return `As strong as a ${same[0]}: that would be ${same[0]}.`;
  if (above === 10 || below === 1) return `That would be ${above === 10 ? 10 : 1}, the end of the scale.`;
  if (!above) return `Calmer than ${below}: that would be ${below - 1} or less.`;
  if (below === 11) return `Stronger than ${above}: that would be ${above + 1} or more.`;
  if (below - above === 1) return `Between ${above} and ${below}: choose the higher, ${below}.`;
  const [low, high] = [above + 1, below - 1];
  return `Stronger than ${above}, calmer than ${below}: that would be ${low === high ? low : `${low} to ${high}`}.`;
}
