/** Says whether all answers have arrived, and what stands against it. */

import { takeFocusFrom } from "./focus.js";
import { say } from "./say.js";

const TROUBLE = { offline: "no connection", server: "the server does not answer", "log in": "you are logged out" };

/** @returns {(state: import("./outbox.js").State, dismiss: (submissionId: string) => void) => void} */
export function mountSync(root) {
  const part = (name) => root.querySelector(`[data-${name}]`);
  const chip = part("chip");
  root.hidden = false;
  return ({ waiting, refused, trouble, warning }, dismiss) => {
    const words = [waiting || trouble ? `${waiting} waiting` : "Saved · all labels in sync", TROUBLE[trouble]];
    const text = words.filter(Boolean).join(" · ");
    if (trouble && chip.textContent !== text) say(text);
    chip.textContent = text;
    chip.className = `chip ${trouble ? "warn" : waiting ? "" : "good"}`;
    part("log-in").hidden = trouble !== "log in";
    part("warning").textContent = warning ?? "";
    showRefused(part("refused"), refused, dismiss);
  };
}

function showRefused(details, refused, dismiss) {
  takeFocusFrom(details.querySelector("ul"));
  details.hidden = !refused.length;
  details.querySelector("summary").textContent = `${refused.length} refused: ${refused.at(-1)?.why}`;
  details.querySelector("ul").replaceChildren(...refused.map((each) => line(each, dismiss)));
}

function line({ item, why }, dismiss) {
  const entry = document.querySelector("#refused-answer").content.cloneNode(true);
  const at = new Date(item.made_at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  entry.querySelector("b").textContent = item.level ? `Level ${item.level}, ${at}` : `${item.kind}, ${at}`;
  entry.querySelector("span").textContent = why;
  entry.querySelector("button").addEventListener("click", () => dismiss(item.submission_id));
  return entry;
}
