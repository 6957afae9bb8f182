"""A whole workbench at one's own machine, without Kafka, and who sits at it."""

from pathlib import Path
from typing import Any, Literal

import orjson
from aiohttp import web

from streams.config import Settings
from streams.workbench.context import Workbench
from streams.workbench.engine import Engine
from streams.workbench.server import application
from streams.workbench.sessions import Person
from streams.workbench.sets import Sets
from tests.streams.workbench.browsers import Answer, Browser, World, free_origin

TILL = r"""
name: ours
version: "1"
recognizers:
  - name: till
    supported_entity: COMPUTER_NAME
    patterns:
      - {name: till and number, regex: '\btill_\d{4}\b', score: 0.8}
    examples: ["done on «till_0447»", "till_1"]
"""


class Anybody:
    """A sign-in that asks nothing."""

    same_site: Literal["Strict"] = "Strict"
    idle_seconds = 3600.0

    def __init__(self, person: Person) -> None:
        self._person = person

    def expects(self, request: web.Request) -> bool:
        """Nothing is part of it."""
        return False

    async def arrive(self, request: web.Request) -> Person:
        """The one that it is for."""
        return self._person


class Desk:
    """A browser that is signed in at a workbench; its rules and corpus are in `folder`."""

    def __init__(self, world: World, engine: Engine, folder: Path, *, may_change: bool = True, **options: Any) -> None:
        self.rules = folder / "rules"
        self.corpus = folder / "team.ndjson"
        self.rules.mkdir(exist_ok=True)
        (self.rules / "ours.yaml").write_text(TILL)
        settings = options.pop("settings", Settings(bootstrap="localhost:1"))
        whole = {"corpus": self.corpus, **options}
        self.bench = bench = Workbench(settings, Sets(settings, whole.pop("rules", self.rules)), engine, **whole)
        origin, port = free_origin()
        person = Person("alice" if bench.shared else "os:alice", "alice", may_change)
        world.serve(application(bench, Anybody(person), origin), port)
        self.browser: Browser = world.browser(origin)
        self.browser.get("/")
        self.state = self.get("/api/state").json

    def get(self, place: str) -> Answer:
        """A GET."""
        return self.browser.get(place)

    def post(self, place: str, body: Any = None) -> Answer:
        """A POST of our own page."""
        return self.ask("POST", place, body)

    def ask(self, method: str, place: str, body: Any = None) -> Answer:
        """Any request of our own page."""
        headers = {"X-CSRF-Token": self.state["csrf"], "Content-Type": "application/json"}
        return self.browser.ask(method, place, headers=headers, data=orjson.dumps(body))


def draft(text: str = TILL, name: str = "ours.yaml") -> dict[str, Any]:
    """A draft of one file."""
    return {"files": [{"name": name, "text": text}]}
