/** The players of a page, and their keys. */

import { isOperable, isShortcut } from "./keys.js";
import { Player } from "./track-player.js";

const STEP_S = 5;

const players = new Map(); // root element -> player
let latest = null; // the player that somebody has used last: keys mean it

/**
 * Makes one [data-player] work. Idempotent.
 * @param {HTMLElement} root
 */
export function mountPlayer(root) {
  if (!players.has(root)) players.set(root, new Player(root));
  return players.get(root);
}

/** Mounts every player in the container and unmounts those that have left the page. */
export function mountAll(container = document) {
  unmountGone();
  if (container instanceof Element && container.matches("[data-player]")) mountPlayer(container);
  container.querySelectorAll("[data-player]").forEach(mountPlayer);
}

function unmountGone() {
  for (const [root, player] of players) {
    if (root.isConnected) continue;
    player.unmount();
    players.delete(root);
    if (latest === player) latest = null;
  }
}

const KEYS = {
  " ": (player) => player.toggle(),
  ArrowLeft: (player) => player.skip(-STEP_S),
  ArrowRight: (player) => player.skip(STEP_S),
  l: (player) => player.toggleLoop(),
  i: (player) => player.startLoopHere(),
  o: (player) => player.endLoopHere(),
  Escape: (player) => player.clearLoop(),
  "[": (player) => player.changeSpeed(-1),
  "]": (player) => player.changeSpeed(1),
};

document.addEventListener("keydown", (event) => {
  const player = latest ?? players.values().next().value;
  const act = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  if (!player?.isShown || !act || !isShortcut(event) || (event.key === " " && takesSpace(event.target))) return;
  if (act(player) !== false) event.preventDefault();
});

/** Space on a button presses it, as everywhere; on the volume's slider it would do nothing. */
function takesSpace(element) {
  return isOperable(element) && !element.matches("[type=range]");
}

document.addEventListener(
  "play",
  ({ target }) => {
    for (const player of players.values()) if (player.owns(target)) latest = player;
  },
  { capture: true },
);

document.addEventListener("htmx:afterSwap", unmountGone);
document.addEventListener("htmx:load", (event) => mountAll(event.detail.elt));
if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => mountAll());
else mountAll();
