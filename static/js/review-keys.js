/** The keys of the review page, and what they did, for ears. */

import { click, clickLevel, guardForms, isOperable, isShortcut, levelOf, offerHelp } from "./keys.js";
import { say } from "./say.js";

const ANYWHERE = { j: "[data-next]", k: "[data-previous]", u: "[data-undo]" };
const VERDICTS = { y: "[data-keep]", a: "[data-ask]", d: "[data-drop]", e: "[data-exclude]" };

/** Returns whether the key meant something. Before the evidence shows a number is the blind opinion, then a decision. */
function onKey(event) {
  const decision = document.querySelector("[data-decision-form]");
  const form = decision ?? document.querySelector("[data-level-form]");
  const level = levelOf(event);
  const key = event.key.toLowerCase();
  if (ANYWHERE[key]) return click(ANYWHERE[key]);
  if (level) return form !== null && clickLevel(form, level);
  if (!decision) return false;
  if (key === "enter") return !isOperable(event.target) && click("[data-primary]", decision);
  if (key === "n") return writeNote(decision);
  return VERDICTS[key] !== undefined && click(VERDICTS[key], decision);
}

function writeNote(decision) {
  decision.querySelector("#note").focus();
  return true;
}

document.addEventListener("keydown", (event) => {
  if (isShortcut(event) && onKey(event)) event.preventDefault();
});

// Out of the note, so that keys decide again.
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.matches?.("#note")) event.target.blur();
});

document.addEventListener("htmx:afterSettle", () => {
  if (document.querySelector("[data-evidence]")) say("Your opinion is kept. The evidence is shown.");
});

guardForms();
offerHelp();
// Regions that are there when a page loads announce nothing: what was decided before is said now, and what is wrong gets the focus.
for (const news of document.querySelectorAll("[data-announce]")) say(news.textContent);
document.querySelector("#review [role=alert][data-focus]")?.focus();
