"""`make bench-label-page`: how long an annotator waits, in headless Chromium against the product's own web server.

A library of its own in a temporary folder; nothing of the installation is read or changed. Prints medians, 95th percentiles
and what the page weighs. Latencies are of this machine at this moment: "two frames" is how long the same browser needs after the
same key to draw twice, which is the floor.
"""

import gzip
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Playwright's event loop runs in this thread

import django  # noqa: E402

django.setup()

from django.conf import settings  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402
from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402

from tests.audio_files import track_with_audio  # noqa: E402
from tests.conftest import _chromium, session_of  # noqa: E402
from tests.factories import AnnotatorFactory  # noqa: E402
from tests.processes import WebServer, free_port  # noqa: E402

N_LABELS = 40
N_COLD = 5
TRACK_S = 30.0
MIN_LISTENED_MS = 3300

# Runs in the page before anything else: from a key press to the first frame with another track, and to its sound.
CLOCKS = """
(() => {
  const clocks = (window.clocks = { shown: [], sound: [], frames: [] });
  const track = () => document.querySelector("input[name=track_id]")?.value;
  addEventListener("keydown", (event) => {
    if (!/^Digit/.test(event.code)) return;
    const began = performance.now();
    const before = track();
    const look = () => (track() === before ? requestAnimationFrame(look)
      : requestAnimationFrame(() => clocks.shown.push(performance.now() - began)));
    requestAnimationFrame(look);
    addEventListener("player:sound", () => clocks.sound.push(performance.now() - began), { once: true });
    requestAnimationFrame(() => requestAnimationFrame(() => clocks.frames.push(performance.now() - began)));
  }, { capture: true });
})();
"""


def main() -> None:
    call_command("migrate", verbosity=0)
    collect_static()
    annotator = AnnotatorFactory()
    for place in range(N_LABELS + 10):
        track_with_audio(duration_s=TRACK_S, queue_order=place, loudness_lufs=-14.0)
    with (
        WebServer.start(port=free_port(), database=connection.settings_dict) as server,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(
            executable_path=_chromium(), args=["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        )
        cookie = {"name": settings.SESSION_COOKIE_NAME, "value": session_of(annotator), "url": server.url}
        report(measure(browser, server.url, cookie))
        browser.close()


def collect_static() -> None:
    """As the server wants it: with hashed names, and compressed."""
    command = [sys.executable, "manage.py", "collectstatic", "--no-input", "-v0", "--ignore", "ext"]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "DJANGO_SETTINGS_MODULE": "energyapp.settings"})


def measure(browser: Browser, url: str, cookie: dict) -> dict[str, list[float]]:
    """Milliseconds by what was waited for; weights in bytes by kind."""
    figures: dict[str, list[float]] = {}
    for _ in range(N_COLD):
        with a_page(browser, url, cookie) as page:
            for name, value in cold(page).items():
                figures.setdefault(name, []).append(value)
    with a_page(browser, url, cookie) as page:
        figures.update(warm(page))
    return figures


@contextmanager
def a_page(browser: Browser, url: str, cookie: dict) -> Iterator[Page]:
    """The label page in a browser that has never seen it."""
    context = browser.new_context(base_url=url, viewport={"width": 1440, "height": 900})
    context.add_cookies([cookie])
    page = context.new_page()
    page.add_init_script(CLOCKS)
    page.goto("/label/", wait_until="networkidle")
    yield page
    context.close()


def cold(page: Page) -> dict[str, float]:
    """The first visit: what it weighs, when it is seen, and when play is heard."""
    heard = """() => new Promise((resolve) => {
      const began = performance.now();
      addEventListener("player:sound", () => resolve(performance.now() - began), { once: true });
      document.querySelector("[data-play]").click();
    })"""
    paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime"
    weigh = """(kind) => performance.getEntriesByType("resource")
      .filter((entry) => entry.name.endsWith(kind)).reduce((sum, entry) => sum + entry.encodedBodySize, 0)"""
    return {
        "first contentful paint": page.evaluate(paint),
        "first sound, cold": page.evaluate(heard),
        "HTML, gzip": len(gzip.compress(page.request.get("/label/").body())),
        "JS, as sent": page.evaluate(weigh, ".js"),
        "CSS, as sent": page.evaluate(weigh, ".css"),
    }


def warm(page: Page) -> dict[str, list[float]]:
    """Label after label, each heard for as long as the rules ask."""
    page.keyboard.press("Space")
    seeks = []
    for number in range(N_LABELS):
        page.wait_for_timeout(MIN_LISTENED_MS)
        if number % 6 == 0:
            seeks.append(page.evaluate(SEEK))
        page.keyboard.press(f"Digit{number % 9 + 1}")
    page.wait_for_timeout(1000)
    clocks = page.evaluate("window.clocks")
    return {
        "key to next track shown": clocks["shown"],
        "key to its sound": clocks["sound"],
        "seek": seeks,
        "two frames": clocks["frames"],
    }


SEEK = """() => new Promise((resolve) => {
  const audio = [...document.querySelectorAll("audio")].find((each) => !each.paused);
  const began = performance.now();
  audio.addEventListener("timeupdate", () => resolve(performance.now() - began), { once: true });
  const wave = document.querySelector("[data-wave]").getBoundingClientRect();
  const at = { clientX: wave.left + wave.width * 0.7, clientY: wave.top + wave.height / 2, bubbles: true, button: 0, pointerId: 1 };
  audio.addEventListener("seeked", () => resolve(performance.now() - began), { once: true });
  const canvas = document.querySelector("[data-wave]");
  canvas.setPointerCapture = () => {};
  canvas.dispatchEvent(new PointerEvent("pointerdown", at));
  canvas.dispatchEvent(new PointerEvent("pointerup", at));
})"""


def report(figures: dict[str, list[float]]) -> None:
    print(f"{'':28}{'median':>9}{'p95':>9}{'n':>5}")
    for name, values in figures.items():
        unit = " bytes" if "gzip" in name or "as sent" in name else " ms"
        p95 = statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]
        print(f"{name:28}{statistics.median(values):9.0f}{p95:9.0f}{len(values):5}{unit}")


if __name__ == "__main__":
    main()
