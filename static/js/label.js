/** The label page: shows one track after the other, and takes what is said of it. Nothing here waits for the server. */

import { careFor } from "./care.js";
import { offerComparing } from "./compare.js";
import { exampleSound, offerExamples, showExample } from "./examples.js";
import { takeFocusFrom } from "./focus.js";
import { holdTracks } from "./held.js";
import { offerHelp } from "./keys.js";
import { listenToKeys } from "./label-keys.js";
import { openOutbox } from "./outbox.js";
import { mountPlayer } from "./player.js";
import { listRecent } from "./recent.js";
import { clearWarning, say, warn } from "./say.js";
import { offerSkipping } from "./skipping.js";
import { mountSync } from "./sync.js";

const PLAY_NEXT = "energyapp-play-next";
const LISTEN = "Listen first";
const EMPTY = {
  done: ["All done", "There is no track left for you to label. Thank you! When new ones come in, or a lead asks for your opinion, they show up here."],
  asking: ["The next track is on its way", "It shows up here as soon as the server has answered."],
  offline: ["No connection", "The next track shows up as soon as the connection is back. What you have answered is kept on this device."],
  server: ["The server does not answer", "It is asked again all the time, and the next track shows up here. What you have answered is kept on this device."],
  "log in": ["You are logged out", "Log in again by the link above: the next track shows up here. What you have answered is kept on this device."],
};

const root = document.querySelector("#label");
const part = (name) => root.querySelector(`[data-${name}]`);
const start = JSON.parse(document.querySelector("#start").textContent);
const player = mountPlayer(part("player"));
const form = part("level-form");
const sync = mountSync(document.querySelector("[data-sync]"));

/**
 * What is heard now. `before`: seconds heard of it before it was left for an earlier one; `entry`: it is an earlier one.
 * @type {?{task: object, firstHeard: ?number, before: number, entry: ?object}}
 */
let shown = null;
let sending = null; // what stands against sending answers
let left = null; // what was shown when somebody went back, and where in it they were

const care = careFor(root, start);
const held = holdTracks({ annotator: start.annotator, tasks: start.tasks, onChange: present });
const recent = listRecent(part("recent"), { said: start.recent, onUndo: revisit });
const sound = exampleSound({ onChange: (example) => showExample(root, example) });
const examples = offerExamples(root, { examples: start.examples, sound });
const comparing = start.examples.length
  ? offerComparing(part("compare"), { onPlay: sound.toggle, onAnswer: compare })
  : null;
const skipping = offerSkipping(part("skip"), { onSkip: skip });
// Not awaited: keys count from the first moment, and what is put meanwhile goes in when it is open.
const outbox = openOutbox({ annotator: start.annotator, onState, onSaved, onRefused });

// ---- What is heard

/** Shows what is to be heard now; called whenever that may have changed. */
function present() {
  const tasks = held.toHear();
  if (!shown?.entry) {
    const isOurs = tasks.some(({ track }) => track === shown?.task.track);
    if (shown && !isOurs) lose();
    if (!shown && tasks.length) show(tasks[0]);
    else if (!shown) showEmpty();
  }
  player.preload(tasks.find(({ track }) => track !== shown?.task.track) ?? null);
}

function show(task) {
  moveTo({ task, firstHeard: null, before: 0, entry: null });
  say(`Track ${care.number()}, ready`);
}

function moveTo(next, { at = 0 } = {}) {
  shown = next;
  const { task, entry } = next;
  sound.end();
  skipping.close();
  comparing?.reset();
  player.show(task, { autoplay: part("play-next").checked });
  if (at) player.seek(at);
  describe(task, entry);
  setEmpty(false);
}

function describe(task, entry) {
  form.elements.track_id.value = task.track;
  const names = entry?.level ? [entry.name, entry.artist] : [task.title, task.artist];
  part("names").textContent = names.filter(Boolean).join(" · ");
  for (const button of form.querySelectorAll("[name=level]")) {
    button.setAttribute("aria-pressed", String(Number(button.value) === entry?.level));
  }
  if (!entry) takeFocusFrom(part("back"));
  part("back").hidden = !entry;
  if (entry) part("back").querySelector("span").textContent = wordsOf(entry);
}

function wordsOf({ level, name }) {
  const said = level ? `You gave ${name} level ${level}.` : `You skipped ${name}.`;
  return `${said} A number ${level ? "changes it" : "labels it"}; U goes one further back.`;
}

/** Somebody else has the track, or it was answered in another tab. */
function lose() {
  if (heard()) warn("You no longer held this track, and somebody else may have it now: here is another.");
  shown = null;
  player.pause();
}

function showEmpty() {
  player.pause(); // an earlier track may be playing
  const state = sending ?? held.state();
  const [title, text] = EMPTY[state];
  if (part("empty-title").textContent !== title) say(title);
  part("empty-title").textContent = title;
  part("empty-text").textContent = text;
  part("look-again").hidden = state !== "done"; // without a server the browser's own error page would come
  setEmpty(true);
}

/** The focus goes with what is there. */
function setEmpty(isEmpty) {
  const [gone, here] = isEmpty ? [part("task"), part("empty")] : [part("empty"), part("task")];
  if (!here.hidden) return;
  const hadFocus = gone.contains(document.activeElement);
  gone.hidden = true;
  here.hidden = false;
  if (hadFocus || isEmpty) here.querySelector("[tabindex='-1']").focus({ preventScroll: true });
}

const heard = () => (shown ? shown.before + player.heard() : 0);

// ---- What is said of it

function label(level) {
  if (!shown) return;
  const { task, entry, firstHeard } = shown;
  if (entry?.level) return relabel(entry, level);
  const missing = task.min_listened_s - heard();
  if (missing > 0) return warn(`${LISTEN}: ${Math.ceil(missing)} s more`);
  const answer = { kind: "label", track_id: task.track, level, listened_s: round(heard()), ...answered(firstHeard) };
  if (entry) recent.update(entry, { level, note: "saving" });
  else recent.add({ sound: task, level, name: nameOf(task), note: "saving" });
  care.labelled({ answeredS: answer.answered_s ?? 0, neededS: task.min_listened_s });
  moveOn(answer);
}

const answered = (firstHeard) => (firstHeard === null ? {} : { answered_s: round((performance.now() - firstHeard) / 1000) });
const round = (seconds) => Math.round(seconds * 100) / 100;
const nameOf = (task) => task.title ?? `track ${care.number()}`;

function relabel(entry, level) {
  if (level === entry.level) say(`It stays at level ${level}`);
  else put({ kind: "relabel", track_id: entry.sound.track, level });
  recent.update(entry, { level, was: entry.level });
  comeBack();
}

function skip(reason, words) {
  if (!shown) return;
  if (shown.entry) return warn("Skip is for the track that you were on: Esc goes back to it.");
  const { task } = shown;
  recent.add({ sound: task, level: null, name: task.title ?? "a track", note: `skipped: ${words}` });
  moveOn({ kind: "skip", track_id: task.track, reason });
}

function moveOn(answer) {
  clearWarning();
  care.active();
  put(answer);
  held.answer(answer.track_id);
  if (shown.entry) return comeBack();
  shown = null;
  player.pause();
  present();
}

async function put(answer) {
  try {
    await (await outbox).put(answer);
  } catch (error) {
    warn(`Not stored, as this browser can neither keep nor send answers: ${error.message}`);
  }
}

function compare(example, answer) {
  put({ kind: "comparison", track_id: shown.task.track, other_id: example.track, answer });
}

// ---- What becomes of it

function onState(state) {
  sync(state, async (id) => (await outbox).dismiss(id));
  sending = state.trouble;
  if (!shown) present();
  hideAnswered(state.items);
}

/** Answers that wait since before a reload, or in another tab: the server hands their tracks out until it has them. */
function hideAnswered(items) {
  for (const { kind, track_id: track } of items) {
    if (kind !== "label" && kind !== "skip") continue;
    held.answer(track);
    if (shown?.task.track !== track || shown.entry) continue;
    shown = null;
    present();
  }
}

function onSaved({ kind, track_id: track, level, made_at: madeAt }, reply) {
  if (kind === "comparison") return;
  const { annotation, agreed_level: agreed } = reply;
  if (kind !== "relabel") answeredElsewhere(track);
  if (kind !== "skip") say(`Level ${level} saved`);
  if (!annotation) return;
  // Not listed: it was given before a reload, or in another tab.
  const entry = recent.of(track) ?? recent.add({ at: Date.parse(madeAt), sound: annotation, level, name: annotation.title });
  recent.update(entry, { name: annotation.title, artist: annotation.artist });
  if (kind === "label") recent.update(entry, { note: agreed ? `leads agree on ${agreed}` : "" });
  if (agreed) say(`Leads agree on ${agreed}`);
}

function onRefused({ kind, track_id: track, level }, why) {
  warn(`${level ? `Level ${level}` : `Your ${kind}`} was not stored: ${why}`);
  if (kind === "comparison") return;
  const entry = recent.of(track);
  if (kind === "label") care.refused();
  if (kind !== "relabel") held.settle(track);
  if (entry && kind === "relabel") recent.update(entry, { level: entry.was ?? entry.level });
  else if (entry) recent.remove(entry);
}

function answeredElsewhere(track) {
  if (shown?.task.track === track && !shown.entry) shown = null;
  held.settle(track);
}

// ---- Second thoughts

/** U: the answer before this one. */
function undo() {
  const entry = recent.at(shown?.entry ? recent.indexOf(shown.entry) + 1 : 0);
  if (entry) revisit(entry);
  else say("Undo goes no further back");
}

function revisit(entry) {
  if (!shown?.entry) left = shown && { ...shown, before: heard(), at: player.time };
  const task = { ...entry.sound, ...held.task(entry.sound.track) };
  moveTo({ task, firstHeard: null, before: 0, entry });
  clearWarning();
  part("back").scrollIntoView({ block: "nearest" }); // the list that it was chosen from is far below on a phone
  say(wordsOf(entry));
}

/** To the track that one was on, and to where one was in it. */
function comeBack() {
  const track = left?.task.track;
  const isOurs = held.toHear().some((task) => task.track === track);
  shown = null;
  if (isOurs) {
    moveTo(left, { at: left.at });
    say(`Back at track ${care.number()}`);
  }
  left = null;
  present();
}

// ---- Keys, buttons and switches

function number(level) {
  if (skipping.isOpen()) skipping.choose(level - 1);
  else if (comparing?.isPicking()) comparing.near(level);
  else label(level);
}

function escape() {
  if (skipping.close() || comparing?.stopPicking() || sound.end()) return true;
  if (!shown?.entry) return false;
  comeBack();
  return true;
}

listenToKeys({
  number,
  escape,
  example: (level) => shown && examples.play(level),
  letters: {
    s: () => shown && skipping.toggle(),
    b: () => part("broken").click(),
    u: undo,
    c: () => (comparing ? shown && comparing.pick() : say("Leads have not chosen examples to compare with yet.")),
  },
});
offerHelp();

root.addEventListener("submit", (event) => {
  if (event.target === form) label(Number(event.submitter.value));
  else if (event.submitter === part("broken")) skip("broken", "it does not play");
  else return;
  event.preventDefault();
});
// Enter held down on a button would press it for one track after the other.
form.addEventListener("keydown", (event) => event.repeat && event.key === "Enter" && event.preventDefault());
// A click leaves the focus where it was: Space goes on meaning play.
root.addEventListener("mousedown", (event) => event.target.closest("button, summary") && event.preventDefault());
part("back").querySelector("button").addEventListener("click", comeBack);
part("example-stop").addEventListener("click", sound.end);

root.addEventListener("player:sound", () => {
  if (shown) shown.firstHeard ??= performance.now();
});
root.addEventListener("player:heard", ({ detail }) => {
  const isEnough = shown && shown.before + detail.heard_s >= shown.task.min_listened_s;
  if (isEnough && part("message").textContent.startsWith(LISTEN)) clearWarning();
});

const playNext = part("play-next");
playNext.checked = localStorage.getItem(PLAY_NEXT) !== "no";
playNext.addEventListener("change", () => localStorage.setItem(PLAY_NEXT, playNext.checked ? "yes" : "no"));
playNext.closest("label").hidden = false;

// ---- Begin

if (start.tasks.length) {
  // The page came with it, and the player has it already.
  shown = { task: start.tasks[0], firstHeard: null, before: 0, entry: null };
  say(`Track ${care.number()}, ready`);
}
held.claim();
