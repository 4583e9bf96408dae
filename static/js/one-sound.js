/**
 * Two sounds at once are none: this one is heard, every other of the page falls silent, all before the next key.
 * Not by "play" events: they come when that key may already have started something else.
 * @param {HTMLAudioElement} audio
 */
export function playAlone(audio) {
  for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
  return audio.play();
}
