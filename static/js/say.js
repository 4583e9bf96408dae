/** Words for who does not see the page, and for all when something did not work. */

const N_LINES = 4;

/** Politely, one line after the other: a line that replaced another would keep it from being read. */
export function say(text) {
  const log = document.querySelector("[data-say]");
  const line = document.createElement("p");
  line.textContent = text;
  log.append(line);
  while (log.children.length > N_LINES) log.firstChild.remove();
}

/** At once, and for all to see, until the next answer. Of the places for it one is shown at a time. */
export function warn(text) {
  clearWarning(); // said twice it is news twice
  for (const message of document.querySelectorAll("[data-message]")) message.textContent = text;
}

export function clearWarning() {
  for (const message of document.querySelectorAll("[data-message]")) message.textContent = "";
}
