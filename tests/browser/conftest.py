"""A browser and a workbench for each module; a page for each test."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import desk as opened
from tests.browser.desk import Desk


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A module's browser: what comes after it in this process may need an event loop of its own."""
    with opened.chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def desk(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A module's workbench, without Kafka."""
    with opened.serving(chromium, tmp_path_factory.mktemp("desk")) as running:
        yield running


@pytest.fixture
def page(chromium: Browser, desk: Desk) -> Iterator[Page]:
    """The workbench at 1280 px, as it opens."""
    with opened.visiting(chromium, desk, viewport={"width": 1280, "height": 900}) as visited:
        yield visited
