"""A world of servers and browsers for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from streams.workbench.oidc import CALLBACK
from tests import tokens
from tests.streams.workbench.browsers import Browser, World, free_origin
from tests.streams.workbench.provider import OpenIdProvider
from tests.streams.workbench.shared import Place


@pytest.fixture
def world() -> Iterator[World]:
    """Closed when the test is over."""
    opened = World()
    yield opened
    opened.close()


@pytest.fixture
def place(world: World, tmp_path: Path) -> Place:
    """The issuer serves; the workbench is yet to."""
    (origin, _), (issuer, port) = free_origin(), free_origin()
    provider = OpenIdProvider(tokens.Provider(tmp_path), issuer, f"{origin}{CALLBACK}")
    world.serve(provider.app(), port)
    return Place(world, origin, provider)


@pytest.fixture
def browser(place: Place) -> Browser:
    """Before a workbench that is a public client."""
    return place.served()
