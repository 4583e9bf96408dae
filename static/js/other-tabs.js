/** Whether the same page is open in another tab of this browser: it must be known without waiting, as a page that is left cannot. */

/**
 * @param {string} name  of the page and whoever uses it
 * @returns {() => boolean}
 */
export function watchOtherTabs(name) {
  const channel = new BroadcastChannel(name);
  const own = String(crypto.getRandomValues(new Uint32Array(2)));
  const others = new Set(); // a tab that crashed stays: its tracks come free when their time is over
  const tell = (word) => channel.postMessage({ word, from: own });
  channel.addEventListener("message", ({ data: { word, from } }) => {
    if (word === "gone") others.delete(from);
    else others.add(from);
    if (word === "hello") tell("here");
  });
  addEventListener("pagehide", () => tell("gone"));
  addEventListener("pageshow", (event) => event.persisted && tell("hello"));
  tell("hello");
  return () => others.size > 0;
}
