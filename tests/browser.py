"""A real Chromium for tests of the board.

``chromium_page`` is a page in a fresh context of a fresh browser. It never reaches beyond this machine: requests to
other hosts are stopped, and they fail the test, as does an error that a page's script did not catch.

Without a Chromium the tests skip and say so; in CI (``CI=true``) they fail instead, so that they cannot go missing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:  # Playwright takes a while to import, and most runs of a few tests need no browser
    from playwright.async_api import Browser, Error, Page, Route

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
THIS_MACHINE = {"127.0.0.1", "localhost", "::1", "[::1]"}
LOCAL_SCHEMES = {"about", "blob", "data"}
QUIET = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--metrics-recording-only",
    "--no-first-run",
    "--no-pings",
    "--no-proxy-server",
    "--disable-dev-shm-usage",
]
"""Nothing is asked of the network but what the page under test asks; small /dev/shm of containers is left alone."""


def chromium_path() -> str:
    """Where Chromium is.

    Raises:
        pytest.skip.Exception: there is none, and this is not CI.
        pytest.fail.Exception: there is none, and this is CI.
    """
    for name in CHROMIUM_NAMES:
        path = shutil.which(name)
        if path is not None:
            return path
    reason = "there is no Chromium on the path (scripts/ensure_chromium.sh installs Debian's)"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}; in CI the browser tests must run")
    pytest.skip(reason)


@pytest.fixture
async def chromium() -> AsyncIterator[Browser]:
    """A headless Chromium of the machine's own."""
    executable = chromium_path()
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=QUIET)
        yield browser
        await browser.close()


@pytest.fixture
async def chromium_page(chromium: Browser) -> AsyncIterator[Page]:
    """A page 1280 x 900 in British English and London time; see this module's text for what fails a test."""
    context = await chromium.new_context(
        viewport={"width": 1280, "height": 900}, locale="en-GB", timezone_id="Europe/London"
    )
    foreign: list[str] = []
    uncaught: list[str] = []

    async def stay_here(route: Route) -> None:
        address = urlsplit(route.request.url)
        if address.scheme in LOCAL_SCHEMES or address.hostname in THIS_MACHINE:
            await route.continue_()
        else:
            foreign.append(f"{address.scheme}://{address.netloc}{address.path}")
            await route.abort()

    def note(error: Error) -> None:
        uncaught.append(error.message)

    await context.route("**/*", stay_here)
    page = await context.new_page()
    page.set_default_timeout(15_000)
    page.on("pageerror", note)
    yield page
    await context.unroute_all(behavior="ignoreErrors")
    await context.close()
    assert not foreign, f"the page asked other hosts: {foreign}"
    assert not uncaught, f"errors in the page's scripts: {uncaught}"
