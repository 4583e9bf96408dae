/** The keys of the review page and of its queue. */

import { click, clickLevel, guardForms, isOperable, isShortcut, levelOf, offerHelp } from "./keys.js";

const VERDICTS = { k: "[data-keep]", a: "[data-ask]", e: "[data-exclude]" };

/** Returns whether the key meant something to the decision form or, before it shows, to the blind opinion. */
function onReview(event) {
  const decision = document.querySelector("[data-decision-form]");
  const form = decision ?? document.querySelector("[data-level-form]");
  if (!form) return false;
  const level = levelOf(event);
  if (level) return clickLevel(form, level);
  if (!decision) return false;
  if (event.key === "Enter") return !isOperable(event.target) && click("[data-primary]", decision);
  const verdict = VERDICTS[event.key.toLowerCase()];
  return verdict !== undefined && click(verdict, decision);
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

guardForms();
offerHelp();
