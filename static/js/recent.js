/** What was answered last, the newest first: as far back as undo goes. */

const N_RECENT = 10;

/**
 * @typedef {object} Entry
 * @property {object} sound  what the player needs
 * @property {number} at  when it was answered (ms since 1970)
 * @property {number | null} level  null: skipped
 * @property {string} name  the title, or what stands for it before it may be shown
 * @property {string} [artist]
 * @property {string} [note]
 * @property {number} [was]  the level before a change that may be refused
 */

/**
 * @param {HTMLElement} list
 * @param {(entry: Entry) => void} onUndo
 */
export function listRecent(list, { said, onUndo }) {
  /** @type {Entry[]} */
  const entries = [];
  const nodes = new Map();

  /** What was answered in another tab is heard of later than it was: it goes below what was answered here since. */
  function add({ at = Date.now(), ...answer }) {
    const entry = { at, ...answer };
    const newer = entries.filter((each) => each.at > at);
    const node = document.querySelector("#recent-answer").content.firstElementChild.cloneNode(true);
    node.querySelector("button").addEventListener("click", () => onUndo(entry));
    if (newer.length) nodes.get(newer.at(-1)).after(node);
    else list.prepend(node);
    entries.splice(newer.length, 0, entry);
    nodes.set(entry, node);
    update(entry);
    entries.slice(N_RECENT).forEach(remove);
    return entry;
  }

  function update(entry, changes = {}) {
    Object.assign(entry, changes);
    const node = nodes.get(entry);
    if (!node) return;
    const level = node.querySelector(".level");
    level.className = `level level-${entry.level ?? "none"}`;
    level.textContent = entry.level ?? "–";
    node.querySelector("[data-title]").textContent = entry.name;
    node.querySelector("small").textContent = [entry.artist, entry.note].filter(Boolean).join(" · ");
    node.querySelector("button").setAttribute("aria-label", `Undo ${entry.level ? `level ${entry.level}` : "skip"}: ${entry.name}`);
  }

  function remove(entry) {
    const node = nodes.get(entry);
    // Whoever stands on it would be thrown back to the top of the page.
    if (node.contains(document.activeElement)) list.querySelector("button")?.focus();
    node.remove();
    nodes.delete(entry);
    entries.splice(entries.indexOf(entry), 1);
  }

  list.replaceChildren();
  for (const each of [...said].reverse()) {
    add({ at: 0, sound: each, level: each.level, name: each.title, artist: each.artist });
  }
  return {
    add,
    update,
    remove,
    at: (i) => entries[i],
    indexOf: (entry) => entries.indexOf(entry),
    of: (track) => entries.find(({ sound }) => sound.track === track),
  };
}
