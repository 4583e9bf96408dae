/** Takes the focus out of what is about to go: the keyboard would start again at the top of the page. */
export function takeFocusFrom(element) {
  if (element.contains(document.activeElement)) document.querySelector("#energy").focus({ preventScroll: true });
}
