"""A customer portal's side of revocations: read them, verify them, apply them to accounts.

    portal.py scim --database accounts.db --port 8081
    portal.py run --bootstrap localhost:9092 --scim http://localhost:8081/scim/v2 --jwks http://localhost:6066/.well-known/jwks.json
    portal.py receive --port 8082 --scim …      # the same by push (RFC 8935), for portals without Kafka

An event is applied, then remembered as seen, then its offset is committed: after a crash it is applied again, which
changes nothing. Events of one contact come in order, since they share a partition.
"""

import argparse
import asyncio
import logging
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from accounts import Accounts, Rejected, Unavailable
from aiohttp import web
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata
from scim import Store, application
from tokens import Event, Refused, Unknown, Verifier

log = logging.getLogger("portal")
WAITS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)  # seconds between attempts while SCIM is away; the last one repeats


class Seen:
    """Which tokens have been dealt with, by issuer and `jti`; durable."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS seen (issuer TEXT, jti TEXT, at INTEGER, PRIMARY KEY (issuer, jti))"
        )
        self._db.execute("CREATE TABLE IF NOT EXISTS refused (at INTEGER, why TEXT, token BLOB)")

    def __contains__(self, event: Event) -> bool:
        query = "SELECT 1 FROM seen WHERE issuer = ? AND jti = ?"
        return self._db.execute(query, (event.issuer, event.jti)).fetchone() is not None

    def add(self, event: Event) -> None:
        """Remember one; on disk when this returns."""
        with self._db:
            self._db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?, ?)", (event.issuer, event.jti, int(time.time())))

    def keep(self, token: bytes, why: str) -> None:
        """Keep a token that was not acted on, for people to look at."""
        with self._db:
            self._db.execute("INSERT INTO refused VALUES (?, ?, ?)", (int(time.time()), why, token))


class Portal:
    """Applies tokens, each once."""

    def __init__(self, verifier: Verifier, accounts: Accounts, seen: Seen) -> None:
        self._verifier = verifier
        self._accounts = accounts
        self._seen = seen

    def take(self, token: bytes) -> str:
        """`applied`, or `repeated`.

        Raises:
            Refused, Rejected: the token is not to be acted on, or cannot be.
            Unknown, Unavailable: not now.
        """
        event = self._verifier.verify(token)
        if event in self._seen:
            return "repeated"
        met = self._accounts.apply(event)
        self._seen.add(event)
        log.info("%s: %d accounts", event.name, met)
        return "applied"

    def take_patiently(self, token: bytes, stopped: Callable[[], bool]) -> str:
        """The same, for as long as it takes; a refused token is `refused`, and said."""
        attempt = 0
        while not stopped():
            try:
                return self.take(token)
            except (Refused, Rejected) as refused:
                log.error("not applied, kept: %s", refused)  # noqa: TRY400 - the message says it all
                self._seen.keep(token, str(refused))
                return "refused"
            except (Unknown, Unavailable) as problem:
                log.warning("accounts cannot be changed now: %s", problem)
                time.sleep(WAITS[min(attempt, len(WAITS) - 1)])
                attempt += 1
        return "stopped"


def run(portal: Portal, options: argparse.Namespace) -> None:
    """Follow the topic until told to stop."""
    stopping = False

    def stop(*_: object) -> None:
        nonlocal stopping
        stopping = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    consumer = KafkaConsumer(
        options.topic,
        bootstrap_servers=options.bootstrap,
        group_id=options.group,
        session_timeout_ms=6_000,  # the least that Kafka allows: so long the place of one that died stays empty
        heartbeat_interval_ms=2_000,
        max_poll_interval_ms=86_400_000,  # accounts may be away for hours: our place is kept, and nothing is skipped
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    )
    while not stopping:
        for place, records in _polled(consumer).items():
            taken = 0
            for record in records:
                if portal.take_patiently(record.value or b"", lambda: stopping) == "stopped":
                    break
                taken = record.offset + 1
            if taken:
                done = OffsetAndMetadata(taken, "", -1)
                try:
                    consumer.commit({TopicPartition(place.topic, place.partition): done})
                except KafkaError as problem:  # the partition is another's now: what it applies again changes nothing
                    log.warning("not committed: %s", type(problem).__name__)
    consumer.close()


def _polled(consumer: KafkaConsumer) -> dict[TopicPartition, list[Any]]:
    """What has come; nothing while Kafka is away or gives our place to another: we stay, and ask again."""
    try:
        found: dict[TopicPartition, list[Any]] = consumer.poll(timeout_ms=200, max_records=100)
    except KafkaError as problem:
        log.warning("not read: %s", type(problem).__name__)
        time.sleep(WAITS[0])
        return {}
    return found


def receiver(portal: Portal) -> web.Application:
    """RFC 8935: 202 only once the event is applied and remembered."""

    async def receive(request: web.Request) -> web.Response:
        if request.content_type != "application/secevent+jwt":
            return _refusal("invalid_request", "the content type is application/secevent+jwt")
        try:
            await asyncio.to_thread(portal.take, await request.read())
        except Refused as refused:
            return _refusal(refused.code, str(refused))
        except Rejected as rejected:
            return _refusal("invalid_request", str(rejected))
        except (Unknown, Unavailable):
            return web.Response(status=503, headers={"Retry-After": "1"})
        return web.Response(status=202)

    app = web.Application()
    app.add_routes([web.post("/events", receive)])
    return app


def _refusal(code: str, why: str) -> web.Response:
    body = orjson.dumps({"err": code, "description": why})
    return web.Response(body=body, status=400, content_type="application/json", headers={"Content-Language": "en"})


def main(arguments: list[str]) -> int:
    """Run one of the three parts."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("kafka").setLevel(logging.WARNING)
    if options.part == "scim":
        web.run_app(
            application(Store(options.database)), host="127.0.0.1", port=options.port, print=None, access_log=None
        )
        return 0
    verifier = Verifier(options.jwks, options.issuer, options.audience)
    portal = Portal(verifier, Accounts(options.scim), Seen(options.seen))
    if options.part == "run":
        run(portal, options)
    else:
        web.run_app(receiver(portal), host="127.0.0.1", port=options.port, print=None, access_log=None)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    scim = parts.add_parser("scim", help="a SCIM 2.0 service over SQLite")
    scim.add_argument("--database", default="accounts.db")
    scim.add_argument("--port", type=int, default=8081)
    for name, told in (("run", "follow the Kafka topic"), ("receive", "take pushed events")):
        part = parts.add_parser(name, help=told)
        part.add_argument("--scim", required=True, help="base URL of the accounts")
        part.add_argument("--jwks", required=True, help="the issuer's key set: a URL or a file")
        part.add_argument("--issuer", default="https://rmm-scrub.invalid/")
        part.add_argument("--audience", default="https://portal.invalid/")
        part.add_argument("--seen", default="seen.db", help="which tokens have been dealt with")
    parts.choices["run"].add_argument("--bootstrap", default="localhost:9092")
    parts.choices["run"].add_argument("--topic", default="portal.access.revocations")
    parts.choices["run"].add_argument("--group", default="portal-example")
    parts.choices["receive"].add_argument("--port", type=int, default=8082)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
