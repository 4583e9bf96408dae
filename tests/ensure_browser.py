"""Print the path of a Chromium that works; install one where there is none.

Prints an empty line when it is Playwright's own, which Playwright finds by itself.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def works(path: str) -> bool:
    """Whether it starts at all: Ubuntu's `chromium-browser` is a note that says to install something else."""
    try:
        done = subprocess.run([path, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def system_browser() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name)) and works(path)), None)


def has_playwright_browser() -> bool:
    from playwright.sync_api import sync_playwright  # slow to import, and not needed on most machines

    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path).exists()


def install() -> None:
    """By apt as root, which also brings the system libraries; else Playwright's own build."""
    note = "No Chromium found: installing one"
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"{note} (apt-get install chromium) ...", file=sys.stderr)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", *command], env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr)
        if system_browser():
            return
    print(f"{note} (playwright install chromium) ...", file=sys.stderr)
    with_libraries = ["--with-deps"] if os.geteuid() == 0 else []
    command = [sys.executable, "-m", "playwright", "install", *with_libraries, "chromium"]
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)


def main() -> int:
    if not system_browser() and not has_playwright_browser():
        install()
    if browser := system_browser():
        print(browser)
        return 0
    if has_playwright_browser():
        print()
        return 0
    print("No Chromium could be installed; what needs a browser was NOT checked.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
