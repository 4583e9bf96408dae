/** The tracks that this person holds: the one to hear and the one that is loaded ahead. Asks for more, and says that somebody listens. */

import { watchOtherTabs } from "./other-tabs.js";
import { post } from "./post.js";

const HEARTBEAT_MS = 60_000;
const FIRST_WAIT_MS = 2_000;
const LONGEST_WAIT_MS = 30_000;

/**
 * @param {object} options
 * @param {number} options.annotator
 * @param {object[]} options.tasks  what the page came with
 * @param {() => void} options.onChange  after each word of the server, and when none came
 */
export function holdTracks({ annotator, tasks, onChange }) {
  const isOpenElsewhere = watchOtherTabs(`energyapp-label-${annotator}`);
  const known = new Map(tasks.map((task) => [task.track, task]));
  const answered = new Set(); // the server may still think them held
  const settled = new Set(); // of these, those that the server has dealt with
  let held = tasks.map(({ track }) => track);
  let trouble = null;
  let nFailures = 0;
  let isAsking = false;
  let isAsked = false;
  let timer = 0;
  let comesAgain = false; // it is being reloaded

  const toHear = () => held.filter((track) => !answered.has(track) && known.has(track)).map((track) => known.get(track));

  /** Asks until nothing was answered meanwhile, so that there is always one track ahead. */
  async function claim() {
    isAsked = true;
    if (isAsking) return;
    isAsking = true;
    clearTimeout(timer);
    while (isAsked) {
      isAsked = false;
      const done = [...settled]; // before: a reply to an older question still names them
      const reply = await ask("/label/claim/", { held: [...known.keys()] });
      if (!reply) continue;
      for (const task of reply.tasks) known.set(task.track, task);
      held = reply.held;
      for (const track of done) {
        answered.delete(track);
        settled.delete(track);
      }
    }
    isAsking = false;
    if (trouble) timer = setTimeout(claim, Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (nFailures - 1)));
    onChange();
  }

  async function keep() {
    const before = held;
    const reply = await ask("/label/keep/", {});
    if (reply) {
      const isLost = (track) => before.includes(track) && !reply.held.includes(track);
      held = held.filter((track) => !isLost(track));
    }
    if (toHear().length < 2) return claim();
    return onChange();
  }

  async function ask(path, question) {
    try {
      const response = await post(path, question);
      if (response.ok) {
        const reply = await response.json();
        [trouble, nFailures] = [null, 0];
        return reply;
      }
      trouble = response.status === 401 ? "log in" : "server";
    } catch (error) {
      trouble = error.name === "TypeError" ? "offline" : "server"; // no network; too slow, or a proxy's page
    }
    nFailures += 1;
    return null;
  }

  /** It has an answer, which the server does not know yet. */
  function answer(track) {
    answered.add(track);
    settled.delete(track);
  }

  /** The server has stored the answer, or refused it: then the track may be held still. */
  function settle(track) {
    answered.add(track); // perhaps in another tab, or before a reload
    settled.add(track);
    return claim();
  }

  /** What stands between this person and the next track. */
  function state() {
    return trouble ?? (isAsking || answered.size ? "asking" : "done");
  }

  /** Lets go of what nobody is going to hear, in the moment in which the page is left. Another tab shows the same tracks. */
  function release() {
    if (comesAgain || isOpenElsewhere()) return;
    const form = new FormData();
    form.set("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]").value);
    for (const { track } of toHear()) form.append("track_id", track);
    if (form.has("track_id")) navigator.sendBeacon("/label/release/", form);
  }

  // The page that follows shows the same tracks before this one is gone: to release them now would take them from it.
  addEventListener("pageswap", ({ activation }) => {
    comesAgain = activation !== null && new URL(activation.entry.url).pathname === location.pathname;
  });
  setInterval(keep, HEARTBEAT_MS);
  addEventListener("online", claim);
  addEventListener("pagehide", release);
  addEventListener("pageshow", (event) => event.persisted && claim());
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && keep());
  return { toHear, claim, answer, settle, state, task: (track) => known.get(track) };
}
