/**
 * Answers on their way to the server. Each is on the device before it is sent, and leaves it when the server has said that
 * it is stored, or why not: a reload, a crash, a lost network or an ended login delay an answer and lose none. What is sent
 * twice is stored once, as the server knows each by its submission_id.
 */

import { post } from "./post.js";
import { openStore } from "./store.js";

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;

/**
 * @typedef {object} State
 * @property {number} waiting
 * @property {object[]} items  those that wait, the oldest first: the server hands out their tracks still
 * @property {{item: object, why: string}[]} refused  until they are dismissed
 * @property {null | "offline" | "log in" | "server"} trouble  what stands against sending; it is tried again all the time
 * @property {string | null} warning  answers are not safe on this device, and why
 */

/**
 * The outbox of one person. What others have left in this browser stays until they are back.
 *
 * All tabs share it: each hears of every answer that was saved or refused, whoever gave and sent it, also before a reload.
 * @param {object} options
 * @param {number} options.annotator
 * @param {(state: State) => void} [options.onState]
 * @param {(item: object, reply: object) => void} [options.onSaved]
 * @param {(item: object, why: string) => void} [options.onRefused]
 */
export async function openOutbox({ annotator, onState, onSaved, onRefused }) {
  const name = `energyapp-outbox-${annotator}`;
  const store = await openStore();
  const tabs = new BroadcastChannel(name);
  let trouble = null;
  let nFailures = 0;
  let timer = 0;
  let isSending = false;
  let isAsked = false;

  const own = async () => (await store.all()).filter(({ item }) => item.annotator === annotator);
  const waiting = async () => (await own()).filter(({ why }) => !why);

  async function put(answer) {
    const item = { ...answer, annotator, submission_id: answer.submission_id ?? uuid(), made_at: new Date().toISOString() };
    await store.add(item);
    tell({});
    drain();
    return item;
  }

  async function dismiss(submissionId) {
    const kept = (await own()).find(({ item, why }) => why && item.submission_id === submissionId);
    if (kept) await store.remove(kept);
    tell({});
  }

  // ---- Sending

  /** Sends what waits; called again meanwhile it looks once more, so that nothing put in between is overlooked. */
  async function drain() {
    isAsked = true;
    if (isSending) return;
    isSending = true;
    clearTimeout(timer);
    let found = null;
    try {
      while (isAsked) {
        isAsked = false;
        found = await alone(name, sendAll);
      }
    } catch (error) {
      found = "server"; // the device's store has failed, and may come round as a server may
      reportError(error);
    } finally {
      isSending = false;
    }
    if (found || trouble) tell({ trouble: found });
  }

  /** Until nothing waits, or something stands against it: returns what. */
  async function sendAll() {
    for (;;) {
      const [first] = await waiting();
      if (!first) return null;
      const found = await send(first);
      if (found) return found;
    }
  }

  async function send(first) {
    const reply = await replyTo(first.item);
    if (reply.state === "saved") {
      await store.remove(first);
      tell({ trouble: null, saved: [first.item, reply] });
    } else if (reply.state === "refused") {
      const changes = changesOf(first.item, await waiting());
      first.why = reply.why;
      for (const kept of changes) kept.why = `The label that this was to change was refused: ${reply.why}`;
      await store.replace([first, ...changes]);
      for (const { item, why } of [first, ...changes]) tell({ trouble: null, refused: [item, why] });
    } else {
      return ["offline", "log in"].includes(reply.state) ? reply.state : "server";
    }
    return null;
  }

  // ---- Telling this page and those in other tabs

  function tell(event) {
    hear(event);
    tabs.postMessage(event);
  }

  function hear(event) {
    if ("trouble" in event) showTrouble(event.trouble);
    if (event.saved) call(onSaved, ...event.saved);
    if (event.refused) call(onRefused, ...event.refused);
    showState();
  }

  /** Every tab tries again later, for the one that has failed may be closed; who hears that another has tried waits anew. */
  function showTrouble(found) {
    trouble = found;
    nFailures = found ? nFailures + 1 : 0;
    clearTimeout(timer);
    if (found) timer = setTimeout(drain, waitMs(nFailures));
  }

  async function showState() {
    const kept = await own();
    const refused = kept.filter(({ why }) => why);
    const items = kept.filter(({ why }) => !why).map(({ item }) => item);
    call(onState, { waiting: items.length, items, refused, trouble, warning: store.warning });
  }

  tabs.onmessage = ({ data }) => hear(data);
  addEventListener("online", drain);
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && drain());
  showState();
  drain();
  return { put, dismiss };
}

/** What the server says of an answer. Only its own words count: a proxy's page, or the sign-in page of a hotel, is none. */
async function replyTo(item) {
  try {
    return (await (await post("/label/outbox/", item)).json()) ?? {};
  } catch (error) {
    return { state: error.name === "TypeError" ? "offline" : "server" };
  }
}

/** What waits to change this label: up to the next label of its track, as from there on that one is changed. */
function changesOf(label, waiting) {
  if (label.kind !== "label") return [];
  const sameTrack = waiting.filter(({ item }) => item.track_id === label.track_id).slice(1);
  const next = sameTrack.findIndex(({ item }) => item.kind === "label");
  return sameTrack.slice(0, next < 0 ? undefined : next).filter(({ item }) => item.kind === "relabel");
}

/** Runs in one tab at a time. Without the lock (no https) two may send the same answer, which is stored once all the same. */
function alone(name, work) {
  return navigator.locks ? navigator.locks.request(name, work) : work();
}

/** Twice as long after each failure, and not all browsers at once when a server comes back. */
function waitMs(nFailures) {
  return Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** (nFailures - 1)) * (0.5 + Math.random() / 2);
}

/** The page's mistakes are the page's: they must not stop the sending. */
function call(listener, ...args) {
  try {
    listener?.(...args);
  } catch (error) {
    reportError(error);
  }
}

/** `crypto.randomUUID` is there only on https and on this machine itself. */
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
