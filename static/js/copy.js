/** Copies a link that is shown once. Without a script, or without leave to use the clipboard, it is selected to be copied by hand. */

const field = document.querySelector("[data-copy]");
const button = document.querySelector("[data-copy-button]");
const said = document.querySelector("[data-copied]");

button.hidden = false;
field.select();
button.addEventListener("click", async () => {
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
    said.textContent = "Copied.";
  } catch {
    said.textContent = "The browser forbids it: press Ctrl+C (⌘C).";
  }
});
