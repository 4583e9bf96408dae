/** Care for who labels: how far the session is, its pace, when a break is due, and a mark on answers that come too fast. */

import { takeFocusFrom } from "./focus.js";
import { say } from "./say.js";

const PAUSE_MS = 5 * 60_000; // who does nothing for so long has had a break
const HURRIED_S = 4;
const N_HURRIED = 3;
const N_REMEMBERED = 20;
const TICK_MS = 15_000;

/**
 * @param {HTMLElement} root  the page
 * @param {object} options
 * @param {number} options.annotator
 * @param {{session_goal: number, break_after_minutes: number}} options.rules
 */
export function careFor(root, { annotator, rules }) {
  const part = (name) => root.querySelector(`[data-${name}]`);
  const key = `energyapp-session-${annotator}`;
  // `answers`: when each of the last came, and whether in a hurry. `proposed`: minutes at which a break was declined.
  const session = { n: 0, began: 0, active: 0, proposed: 0, answers: [], ...restored(key) };

  const isPausing = () => Date.now() - session.active > PAUSE_MS;
  const minutes = () => (isPausing() ? 0 : (session.active - session.began) / 60_000);
  const untilBreak = () => rules.break_after_minutes + (isPausing() ? 0 : session.proposed) - minutes();

  /** Somebody listens or answers. */
  function active() {
    if (isPausing()) Object.assign(session, { began: Date.now(), proposed: 0 });
    session.active = Date.now();
  }

  /** One more label. */
  function labelled({ answeredS, neededS }) {
    active();
    session.n += 1;
    session.answers.push({ at: Date.now(), isHurried: answeredS < Math.max(HURRIED_S, neededS) });
    session.answers = session.answers.slice(-N_REMEMBERED);
    show();
  }

  /** It was not stored after all. */
  function refused() {
    session.n = Math.max(0, session.n - 1);
    show();
  }

  /** Labels an hour since the last pause, or null before one can tell. */
  function pace() {
    const times = session.answers.map(({ at }) => at).filter((at) => at >= session.began);
    return times.length < 3 ? null : Math.round(((times.length - 1) * 3_600_000) / (times.at(-1) - times[0]));
  }

  function show() {
    const { session_goal: goal } = rules;
    part("number").textContent = session.n + 1;
    part("goal").textContent = session.n < goal ? `of ${goal}` : `· goal of ${goal} reached`;
    part("progress").value = Math.min(goal, session.n);
    part("minutes").textContent = `${Math.floor(minutes())} min`;
    part("pace").textContent = pace() === null ? "" : ` · ${pace()} an hour`;
    part("until-break").textContent = untilBreak() > 0 ? ` · break in ${Math.ceil(untilBreak())}` : " · time for a break";
    reveal(part("break"), untilBreak() <= 0);
    const last = session.answers.slice(-N_HURRIED);
    reveal(part("hurried"), last.length === N_HURRIED && last.every(({ isHurried }) => isHurried));
    sessionStorage.setItem(key, JSON.stringify(session));
  }

  part("break").querySelector("button").addEventListener("click", () => {
    session.proposed = minutes();
    show();
  });
  for (const sign of ["player:heard", "keydown", "pointerdown"]) document.addEventListener(sign, active);
  setInterval(show, TICK_MS);
  part("session").hidden = false;
  show();
  return { active, labelled, refused, number: () => session.n + 1 };
}

function reveal(note, isDue) {
  if (note.hidden && isDue) say(note.querySelector("span").textContent);
  if (!isDue) takeFocusFrom(note);
  note.hidden = !isDue;
}

function restored(key) {
  return JSON.parse(sessionStorage.getItem(key) ?? "{}");
}
