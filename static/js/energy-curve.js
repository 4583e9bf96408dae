/** Hears the part of a song that is chosen in its curve, or in the table beside it; and marks the one that plays. */

import { mountPlayer } from "./player.js";

const PART = "a[href^='#part-']";
const root = document.querySelector("[data-player]");
const curve = document.querySelector("#curve");
const links = [...curve.querySelectorAll(PART)];
const starts = [...new Set(links.map(startOf))].sort((a, b) => a - b);
const player = root && mountPlayer(root);

function startOf(link) {
  return Number(link.getAttribute("href").slice("#part-".length));
}

/** The drawing's link and the table's row of the part at this second, and of no other. */
function mark(second) {
  const current = starts.findLast((start) => start <= second);
  for (const link of links) {
    const plays = startOf(link) === current;
    if (plays) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
    link.closest("tr")?.querySelector("[data-plays]").toggleAttribute("hidden", !plays);
  }
}

if (player) {
  curve.addEventListener("click", (event) => {
    const link = event.target.closest(PART);
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    player.seek(startOf(link));
    player.play();
    mark(startOf(link));
  });
  root.addEventListener("player:heard", () => mark(player.time));
}
