"""How long a player lets people wait, measured in the page; for tests and benchmarks."""

from playwright.sync_api import Page

# From the pointer's press on the waveform to the first frame of sound from there.
_SEEK = """async (share) => {
  const wave = document.querySelector("[data-wave]");
  const audio = [...document.querySelectorAll("[data-player] audio")].find((each) => !each.paused);
  const box = wave.getBoundingClientRect();
  wave.setPointerCapture = () => {}; // there is no pointer of this id
  const at = { clientX: box.left + box.width * share, clientY: box.top + box.height / 2, bubbles: true };
  const began = performance.now();
  wave.dispatchEvent(new PointerEvent("pointerdown", at));
  const landed = audio.currentTime;
  while (audio.seeking || audio.currentTime === landed) await new Promise((then) => setTimeout(then, 1));
  delete wave.setPointerCapture;
  return performance.now() - began;
}"""
# From show() to the track's first sound. Once its file is there, which the player is waiting for where `preloaded`.
_SHOW = """async ({ sound, preloaded }) => {
  const { mountPlayer } = await import(document.querySelector("script[src*='js/player.']").src);
  const root = document.querySelector("[data-player]");
  const player = mountPlayer(root);
  if (preloaded) {
    player.preload(sound);
    const loaded = () => [...root.querySelectorAll("audio")]
      .some((audio) => audio.getAttribute("src") === sound.audio && audio.readyState === 4);
    while (!loaded()) await new Promise((then) => setTimeout(then, 5));
  }
  return new Promise((resolve) => {
    const began = performance.now();
    root.addEventListener("player:sound", () => resolve(performance.now() - began), { once: true });
    player.show(sound, { autoplay: true });
  });
}"""


def seek_ms(page: Page, *, share: float) -> float:
    """Milliseconds from a press on the waveform, at this share of its width, to sound from there. Something has to play."""
    return page.evaluate(_SEEK, share)


def sound_ms(page: Page, sound: dict, *, preloaded: bool = True) -> float:
    """Milliseconds from `show()` to the first sound of a track, as the label page describes it."""
    return page.evaluate(_SHOW, {"sound": sound, "preloaded": preloaded})
