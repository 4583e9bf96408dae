"""`python tests/screenshots.py FOLDER`: pictures of every page of a running installation (`make run`), for the README and for looking at.

Wide and narrow, light and dark. Needs the demo accounts and a browser.
"""

import argparse
import json
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
WIDTHS = {"1440": (1440, 900), "390": (390, 844)}
PAGES = {"label": "annotator", "review": "lead", "annotators": "lead", "dashboard": "admin"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--logins", type=Path, default=ROOT / "var" / "demo-logins.json")
    parser.add_argument("--browser", help="path of a Chromium", default="/usr/bin/chromium")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    logins = json.loads(options.logins.read_text())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=options.browser, args=["--no-sandbox"])
        for role in sorted(set(PAGES.values())):
            take_all(browser, role, logins[role], options.url, options.folder)
        browser.close()


def take_all(browser: Browser, role: str, login: dict[str, str], url: str, folder: Path) -> None:
    session = browser.new_context()
    log_in(session.new_page(), url, login)
    state = session.storage_state()
    session.close()
    for scheme in ("light", "dark"):
        for width, (w, h) in WIDTHS.items():
            context = browser.new_context(storage_state=state, color_scheme=scheme, viewport={"width": w, "height": h})
            page = context.new_page()
            for path in [path for path, who in PAGES.items() if who == role]:
                page.goto(f"{url}/{path}/")
                take(page, folder / f"{path}-{width}-{scheme}.png")
                if path == "review" and page.locator("table[data-queue] tbody a").count():
                    page.locator("table[data-queue] tbody a").first.click()
                    take(page, folder / f"review-page-{width}-{scheme}.png")
            context.close()


def log_in(page: Page, url: str, login: dict[str, str]) -> None:
    page.goto(f"{url}/log-in/")
    page.fill("input[name=username]", login["username"])
    page.fill("input[name=password]", login["password"])
    page.click("button:has-text('Log in')")


def take(page: Page, path: Path) -> None:
    page.wait_for_load_state("networkidle")
    page.screenshot(path=path, full_page=True)


if __name__ == "__main__":
    main()
