/** The keys of the review page and of its queue, and what they did, for ears. */

import { click, clickLevel, guardForms, isOperable, isShortcut, levelOf, offerHelp } from "./keys.js";
import { say } from "./say.js";

const ANYWHERE = { j: "[data-next]", k: "[data-previous]", u: "[data-undo]" };
const VERDICTS = { y: "[data-keep]", a: "[data-ask]", d: "[data-drop]", e: "[data-exclude]" };

/** Returns whether the key meant something to the review page. */
function onReview(event) {
  const page = document.querySelector("#review");
  if (!page) return false;
  const decision = page.querySelector("[data-decision-form]");
  const form = decision ?? page.querySelector("[data-level-form]");
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

/** J and K walk through the rows of the queue; Enter opens the chosen one. */
function onQueue(event) {
  const rows = [...document.querySelectorAll("[data-queue] tbody tr")].filter((row) => row.querySelector("a[href]"));
  if (!rows.length) return false;
  const chosen = rows.findIndex((row) => row.getAttribute("aria-selected") === "true");
  const key = event.key.toLowerCase();
  if (key === "j") choose(rows, Math.min(rows.length - 1, chosen + 1));
  else if (key === "k") choose(rows, Math.max(0, chosen - 1));
  else return key === "enter" && chosen >= 0 && !isOperable(event.target) && click("a[href]", rows[chosen]);
  return true;
}

function choose(rows, index) {
  rows.forEach((row, i) => row.setAttribute("aria-selected", String(i === index)));
  rows[index].querySelector("a[href]").focus();
}

document.addEventListener("keydown", (event) => {
  if (isShortcut(event) && (onReview(event) || onQueue(event))) event.preventDefault();
});

// A row reached by Tab is the chosen one too, so that J goes on from there.
document.addEventListener("focusin", (event) => {
  const row = event.target.closest?.("[data-queue] tbody tr");
  if (!row) return;
  for (const other of row.parentElement.rows) other.setAttribute("aria-selected", String(other === row));
});

// Out of the note, so that keys decide again.
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && event.target.matches?.("#note")) event.target.blur();
});

/** What an answer says, for who does not see it. */
document.addEventListener("htmx:afterSettle", () => {
  if (document.querySelector("[data-evidence]")) say("Your opinion is kept. The evidence is shown.");
});

guardForms();
offerHelp();
for (const news of document.querySelectorAll("[data-announce]")) if (document.querySelector("[data-say]")) say(news.textContent);
document.querySelector("#review [role=alert][data-focus]")?.focus();
