"""The bare Faust app that hosts lanes, agents, timers, tables and the web server.

Faust's own Kafka clients stay off: records come and go through the lanes, tables through `Tables`, so
that outputs and offsets commit in one transaction (docs/design.md).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import faust
from faust.app.base import BootStrategy

from scrubbers.records import Record
from streams.config import Settings
from streams.lane import Answer, Lane
from streams.tables import Tables


class _Boot(BootStrategy):
    """Starts what Faust starts, but without its Kafka clients; `tables` are ours."""

    enable_kafka = False

    def tables(self) -> Iterable[Any]:
        return [self.app.followed] if self.app.followed is not None else []


class ScrubApp(faust.App):
    """A Faust app with tables that are followed instead of recovered."""

    BootStrategy = _Boot
    followed: Tables | None = None

    async def on_first_start(self) -> None:
        """Open the channels: without Faust's own consumer no assignment would ever do it."""
        self.conf.datadir.mkdir(parents=True, exist_ok=True)
        await super().on_first_start()
        self.flow_control.resume()


def new_app(settings: Settings, *, web_port: int | None, longest_body: int = 0) -> ScrubApp:
    """A bare app: web server on `web_port` (None: no web server), no lanes, no tables.

    `longest_body`: bytes of a request that the server reads, if more than aiohttp's megabyte.
    """
    return ScrubApp(
        settings.group,
        broker=f"kafka://{settings.bootstrap}",
        store="memory://",
        datadir=settings.state_path / "faust",
        web_enabled=web_port is not None,
        web_bind=settings.web_host,
        web_host=settings.web_host,
        web_port=web_port or settings.web_port,
        web_application_options={"client_max_size": max(longest_body, 1024**2)},
        # Faust would serve the content of tables and the routing of keys over HTTP by default.
        web_tables_enabled=False,
        web_router_enabled=False,
        web_stats_enabled=False,
        web_graph_enabled=False,
        topic_disable_leader=True,
    )


def add_lane(app: ScrubApp, name: str, work: Callable[[Sequence[Record]], Answer], **options: Any) -> Lane:
    """A lane, its channel, and the agent that answers each batch with `work`."""
    channel = app.channel(maxsize=1)
    lane = Lane(name, channel=channel, **options)

    @app.agent(channel, name=name)
    async def agent(batches: Any) -> None:
        async for batch in batches:
            await batch.answer_with(work)

    app.service(lane)
    return lane
