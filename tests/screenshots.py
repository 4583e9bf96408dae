"""`python tests/screenshots.py FOLDER`: pictures of every page of a running installation (`make run`), for the README and for looking at.

Wide and narrow, light and dark. Needs the demo accounts and a browser; gives one blind opinion, as the evidence shows only after it.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
WIDTHS = {"1440": (1440, 900), "390": (390, 844)}
BLIND_LEVEL = "8"


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
        studio = Studio(browser, options.url, options.folder)
        studio.take({"login": "/log-in/"}, session=None)
        studio.take({"label": "/label/", "my-labels": "/label/mine/"}, session=studio.log_in(logins["annotator"]))
        lead = studio.log_in(logins["lead"])
        studio.take({"review": "/review/", "annotators": "/annotators/", "tracks": "/tracks/"}, session=lead)
        studio.take({"import": "/import/", "rounds": "/rounds/", "review-rules": "/review/rules/"}, session=lead)
        if person := studio.first_link("/annotators/", "main tbody a[href^='/annotators/']", session=lead):
            studio.take({"annotator": person}, session=lead)
        studio.take({"references": "/queue/references/", "assignments": "/queue/assignments/"}, session=lead)
        studio.take({"next-tracks": "/queue/next/"}, session=lead)
        if track := studio.first_link("/tracks/", "tbody td.name a", session=lead):
            studio.take({"track": track}, session=lead)
        if flag := studio.first_link("/review/", "[data-queue] tbody a", session=lead):
            studio.take({"review-blind": flag}, session=lead)
            studio.give_blind_opinion(flag, session=lead)
            studio.take({"review-evidence": flag}, session=lead)
        studio.take({"catalogue": "/catalogue/", "scores": "/scores/"}, session=lead)
        if song := studio.first_link("/catalogue/", "tbody td.name a", session=lead):
            studio.take({"energy": song}, session=lead)
        studio.take({"lab": "/lab/", "jobs": "/jobs/"}, session=lead)
        studio.take({"tokens": "/account/tokens/", "api": "/api/v1/tracks/", "api-docs": "/api/v1/docs/"}, session=lead)
        if report := studio.first_link("/lab/", "main p a[href^='/lab/']", session=lead):
            studio.take({"lab-report": report}, session=lead)
        admin = studio.log_in(logins["admin"])
        studio.take(
            {"people": "/admin/people/", "settings": "/admin/settings/", "audit": "/admin/audit/"}, session=admin
        )
        studio.take({"account": "/account/"}, session=admin)
        studio.take({"retraining": "/retraining/", "retraining-rules": "/retraining/rules/"}, session=admin)
        studio.take({"runs": "/runs/", "compare": "/runs/compare/"}, session=admin)
        studio.take({"dashboard": "/dashboard/", "rules": "/queue/rules/"}, session=admin)
        if run := studio.first_link("/dashboard/", "tbody a[href*='/runs/']", session=admin):
            cell = studio.first_link("/dashboard/", "svg.matrix a", session=admin)
            studio.take({"run": run, "run-tracks": cell or run}, session=admin)
        browser.close()


class Studio:
    """Takes pictures of pages, by name and path, in every width and colour scheme."""

    def __init__(self, browser: Browser, url: str, folder: Path) -> None:
        self.browser, self.url, self.folder = browser, url, folder

    def log_in(self, login: Mapping[str, str]) -> Any:
        """A session to open pages with."""
        page = self._page(None)
        page.goto("/log-in/")
        page.fill("input[name=username]", login["username"])
        page.fill("input[name=password]", login["password"])
        page.click("button:has-text('Log in')")
        state = page.context.storage_state()
        page.context.close()
        return state

    def take(self, paths: Mapping[str, str], *, session: Any) -> None:
        for scheme in ("light", "dark"):
            for width, (w, h) in WIDTHS.items():
                page = self._page(session, color_scheme=scheme, viewport={"width": w, "height": h})
                for name, path in paths.items():
                    page.goto(path)
                    page.wait_for_load_state("networkidle")
                    page.screenshot(path=self.folder / f"{name}-{width}-{scheme}.png", full_page=True)
                page.context.close()

    def first_link(self, path: str, selector: str, *, session: Any) -> str | None:
        page = self._page(session)
        page.goto(path)
        links = page.locator(selector)
        address = links.first.get_attribute("href") if links.count() else None
        page.context.close()
        return address

    def give_blind_opinion(self, flag: str, *, session: Any) -> None:
        page = self._page(session)
        page.goto(flag)
        if page.locator("[data-level-form]").count():
            page.keyboard.press(BLIND_LEVEL)
            page.wait_for_selector("h2:has-text('Why it was flagged')")
        page.context.close()

    def _page(self, session: Any, **context: Any) -> Page:
        return self.browser.new_context(base_url=self.url, storage_state=session, **context).new_page()


if __name__ == "__main__":
    main()
