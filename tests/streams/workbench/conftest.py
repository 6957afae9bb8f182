"""A world of servers and browsers for each test."""

from collections.abc import Iterator

import pytest

from tests.streams.workbench.browsers import World


@pytest.fixture
def world() -> Iterator[World]:
    """Closed when the test is over."""
    opened = World()
    yield opened
    opened.close()
