/** What every page with shortcuts shares: which keys count, and forms that cannot be sent twice. */

/**
 * Whether a key press is a shortcut: free, and without Shift except for "?", which cannot be typed without it.
 */
export function isShortcut(event) {
  return isFree(event) && (!event.shiftKey || event.key === "?");
}

/**
 * Whether a key press, perhaps with Shift, may mean something to the page: not typed into a field, not held down, not part
 * of another chord, not taken already, and no dialog is open.
 */
export function isFree(event) {
  if (event.defaultPrevented || event.repeat || event.isComposing) return false;
  if (event.ctrlKey || event.metaKey || event.altKey) return false;
  return !isTaken(event) && !document.querySelector("dialog[open]");
}

const TYPED_INTO = "textarea, select, [contenteditable], input:not([type=checkbox], [type=radio], [type=range])";

/** Whether the focused element takes this key: a field takes all, a slider or a group of choices those that move it. */
function isTaken({ target, key }) {
  if (!(target instanceof Element)) return false;
  return target.matches(TYPED_INTO) || (target.matches("input:not([type=checkbox])") && /^(Arrow|Page|Home|End)/.test(key));
}

/** Whether Enter or Space already means something to the focused element. */
export function isOperable(element) {
  return element instanceof Element && element.closest("a[href], button, summary, input, [role=button]") !== null;
}

/**
 * The level a key stands for, 0 being 10, or null. The row above the letters counts by position, as French keyboards
 * have no plain digits there; the keypad by what it types, as without NumLock it moves the cursor.
 */
export function levelOf(event) {
  const onKeypad = /^Numpad\d$/.test(event.code) && /^\d$/.test(event.key);
  const digit = /^Digit(\d)$/.exec(event.code)?.[1] ?? (onKeypad ? event.key : null);
  return digit === null ? null : Number(digit) || 10;
}

/** Clicks the element if the page has it and it can be used. Returns whether it did. */
export function click(selector, container = document) {
  const element = container.querySelector(selector);
  if (!element || element.disabled) return false;
  element.click();
  return true;
}

export function clickLevel(form, level) {
  return click(`button[name=level][value="${level}"]`, form);
}

/** Opens dialog#keys at "?". */
export function offerHelp() {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "?" || !isShortcut(event)) return;
    event.preventDefault();
    document.querySelector("dialog#keys:not([open])")?.showModal();
  });
}

const GUARDED = "form[data-level-form], form[data-decision-form], form[data-once]";

/**
 * Sends each guarded form once: from its first submit until its answer is on the page, every guarded form's buttons
 * are off, however they are pressed. When the request fails they are back, and [data-message] says so.
 */
export function guardForms() {
  let sent = null; // the form on its way, the button that sent it, and the buttons turned off meanwhile

  function lock(form, button) {
    sent = { form, button, off: [] };
    if (button?.name === "level") {
      levelButtons(form).forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
    }
    tell(form, "");
    // Only after the browser or htmx has read the form: a disabled button's value is not sent.
    setTimeout(() => {
      if (!sent) return;
      sent.off = [...document.querySelectorAll(`:is(${GUARDED}) button:enabled`)];
      setDisabled(true);
    });
  }

  function setDisabled(disabled) {
    sent.form.setAttribute("aria-busy", String(disabled));
    for (const each of sent.off) each.disabled = disabled;
  }

  function release() {
    if (!sent) return;
    const { form, button } = sent;
    setDisabled(false);
    sent = null;
    levelButtons(form).forEach((other) => other.removeAttribute("aria-pressed"));
    if (form.isConnected) button?.focus();
  }

  function fail(message) {
    if (!sent) return;
    const { form } = sent;
    release();
    tell(form, message);
  }

  // In the capture phase: before htmx, which listens on the form itself.
  document.addEventListener(
    "submit",
    (event) => {
      if (!event.target.matches(GUARDED)) return;
      if (sent) {
        event.preventDefault();
        event.stopImmediatePropagation();
      } else {
        lock(event.target, event.submitter);
      }
    },
    { capture: true },
  );

  document.addEventListener("htmx:afterSettle", () => {
    if (!sent || sent.form.isConnected) return;
    setDisabled(false); // those of other forms may still be on the page
    sent = null;
    focusNewContent();
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    // Answered without replacing the form: a 204, or a swap somewhere else.
    if (sent?.form === event.detail.elt && event.detail.successful && sent.form.isConnected) release();
  });
  document.addEventListener("htmx:responseError", (event) => {
    fail(`Not saved: the server answered ${event.detail.xhr.status}. Try again.`);
  });
  document.addEventListener("htmx:sendError", () => fail("Not saved: the server cannot be reached. Try again."));
  document.addEventListener("htmx:timeout", () => fail("Not saved: the server took too long. Try again."));
  document.addEventListener("htmx:sendAbort", () => fail("Not saved: the request was cancelled. Try again."));
  // Coming back with the browser's back button shows the page as it was left: locked.
  addEventListener("pageshow", (event) => event.persisted && release());
}

function levelButtons(form) {
  return form.querySelectorAll("button[name=level]");
}

/** Writes into the [data-message] nearest to the form. */
function tell(form, message) {
  for (let element = form; element; element = element.parentElement) {
    const region = element.querySelector("[data-message]");
    if (region) {
      region.textContent = message;
      return;
    }
  }
}

/** After a swap the focused button is gone; without this the keyboard would start again at the top of the page. */
function focusNewContent() {
  const heading = document.querySelector("[data-focus]") ?? document.querySelector("main");
  heading?.setAttribute("tabindex", "-1");
  heading?.focus({ preventScroll: true });
}
