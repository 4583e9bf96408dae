/** The review queue: keys, what is ticked, and filters that apply as they are chosen. */

import { click, guardForms, isOperable, isShortcut, offerHelp } from "./keys.js";

const rows = () => [...document.querySelectorAll("[data-queue] tbody tr")];
const boxes = () => [...document.querySelectorAll("[data-queue] input[name=flag]")];

/** J and K walk through the rows; X ticks the chosen one, Enter opens it; R begins with the first; U undoes what was just decided. */
function onKey(event) {
  const key = event.key.toLowerCase();
  if (key === "r") return click("[data-start]");
  if (key === "u") return click("[data-undo]");
  const found = rows();
  const at = found.findIndex((row) => row.getAttribute("aria-selected") === "true");
  if (key === "j") return choose(found, Math.min(found.length - 1, at + 1));
  if (key === "k") return choose(found, Math.max(0, at - 1));
  if (at < 0) return false;
  if (key === "x") return click("input[name=flag]", found[at]);
  // On a link or a button Enter means that already; on a tick box it means nothing.
  const isTaken = isOperable(event.target) && !event.target.matches("input[type=checkbox]");
  return key === "enter" && !isTaken && click(".name a[href]", found[at]);
}

function choose(found, index) {
  if (!found.length) return false;
  mark(found, found[index]);
  found[index].querySelector(".name a[href]").focus();
  return true;
}

function mark(found, chosen) {
  for (const row of found) row.setAttribute("aria-selected", String(row === chosen));
}

document.addEventListener("keydown", (event) => {
  if (isShortcut(event) && onKey(event)) event.preventDefault();
});

// A row reached by Tab is the chosen one too, so that J goes on from there.
document.addEventListener("focusin", (event) => {
  const row = event.target.closest?.("[data-queue] tbody tr");
  if (row) mark(rows(), row);
});

// ---- What is ticked

const bulk = document.querySelector("[data-bulk]");
const all = document.querySelector("[data-tick-all]");

function showTicked() {
  const n = boxes().filter((box) => box.checked).length;
  all.checked = n > 0 && n === boxes().length;
  all.indeterminate = n > 0 && !all.checked;
  bulk.querySelector("[data-said]").textContent = n ? `${n} ticked; without listening:` : "Tick some to decide about them at once.";
  for (const button of bulk.querySelectorAll("button")) {
    button.disabled = n === 0;
    button.textContent = n ? `${button.dataset.words} ${n}` : button.value === "keep" ? "Keep" : "Ask another";
  }
}

if (bulk) {
  all.addEventListener("change", () => boxes().forEach((box) => (box.checked = all.checked)));
  document.addEventListener("change", showTicked);
  // Coming back, the browser may have kept what was ticked.
  addEventListener("pageshow", showTicked);
  showTicked();
}

// ---- Filters

const filters = document.querySelector("[data-filters]");
filters.querySelector("[data-apply]").hidden = true;
filters.addEventListener("change", (event) => event.target.matches("select") && filters.requestSubmit());
// Only what was chosen belongs into the address.
filters.addEventListener("formdata", ({ formData }) => {
  for (const [name, value] of [...formData]) if (!value || (name === "state" && value === "open")) formData.delete(name);
});

guardForms();
offerHelp();
