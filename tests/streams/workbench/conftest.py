"""A world of servers and browsers for each test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from streams.workbench.engine import Engine
from streams.workbench.oidc import CALLBACK
from tests import tokens
from tests.streams.workbench.browsers import Browser, World, free_origin
from tests.streams.workbench.desk import Desk
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


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """The two processes, for all tests."""
    started = Engine()
    yield started
    started.close()


@pytest.fixture
def make_desk(world: World, engine: Engine, tmp_path: Path) -> Callable[..., Desk]:
    """Make workbenches with somebody at them."""
    return lambda **options: Desk(world, engine, tmp_path, **options)


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    """A workbench at one's own machine, without Kafka."""
    return make_desk()
