"""The rule sets a worker scrubs with: from the rules topic, compiled beside the traffic, taken up between batches.

A worker starts with the topic's active set; if there is none with the set that its settings name, else with the
shipped one. A published set that cannot be used is refused: the worker keeps what it has, or goes back to the latest
active one that works, and says so in metrics, in `/health` and on the findings topic (`rules history` shows it).
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec

from scrubbers.known import KnownEntities
from scrubbers.published import RuleSetRefused, Unusable, compiled, unpack
from scrubbers.recognise import Recogniser
from scrubbers.rules import Learning, RuleSet
from scrubbers.scrub import Bounds, Scrubber
from streams.deployment import OWN, Deployment, Stage
from streams.metrics import Metrics
from streams.notices import NoticeKind, Notices, Refusal
from streams.rule_topic import RuleTable, decoded
from streams.shadow import Candidate, Shadow

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.25  # reading, looking and compiling (under a second for the shipped set) stay below five seconds
# A set and the deployment that names it are in one transaction but on two partitions, read one after the other.
ARRIVES_SECONDS = 3.0


class Running(msgspec.Struct, frozen=True):
    """A rule set ready for use. Its recogniser is used by one thread at a time."""

    rules: RuleSet
    digest: str
    recogniser: Recogniser

    @classmethod
    def of(cls, recogniser: Recogniser) -> "Running":
        """The rule set of a recogniser."""
        return cls(recogniser.rules, recogniser.rules.digest(), recogniser)


class InUse(msgspec.Struct, frozen=True):
    """The live sets of one moment: a batch is scrubbed with one of these, whatever is published meanwhile."""

    active: Running
    canary: Running | None = None
    tenants: frozenset[str] = frozenset()

    def of(self, tenant: str) -> Running:
        """The set for a tenant's events."""
        return self.canary if self.canary is not None and tenant in self.tenants else self.active


def running(rules: RuleSet) -> Running:
    """A rule set compiled.

    Raises:
        RuleSetRefused: it cannot be used.
    """
    return Running.of(Recogniser(rules, compiled(rules)))


class LiveRules:
    """Follows the deployment. Everything is called from the event loop; only loading is in a thread."""

    def __init__(
        self,
        table: RuleTable,
        own: Running,
        *,
        use: Callable[[InUse], None],
        learn: Callable[[Learning, Mapping[str, Learning]], Awaitable[None]],
        holding: Callable[[], AbstractContextManager[None]],
        shadow: Shadow,
        known: KnownEntities,
        bounds: Bounds,
        metrics: Metrics,
        notices: Notices,
        worker: str,
    ) -> None:
        """`use` takes live sets up; `learn` the policy of the active set, and those of tenants with another.

        `holding` keeps the processor free while a live set is compiled.
        """
        self._table = table
        self._own = own
        self._use = use
        self._learn = learn
        self._holding = holding
        self._shadow = shadow
        self._known = known
        self._bounds = bounds
        self._metrics = metrics
        self._notices = notices
        self._worker = worker
        self._lock = asyncio.Lock()
        self._seen: Deployment | None = None
        self._missing_since: float | None = None
        self._loaded = {OWN: own}
        self._refused: dict[tuple[str, bytes], Refusal] = {}
        self._standing: dict[Stage, Refusal] = {}
        self._candidate: tuple[str, str] | None = None
        self.now = InUse(own)
        self.settled = False
        self._show()

    async def settle(self) -> None:
        """Return once it is decided what this worker scrubs with, after its tables were read."""
        while not self.settled:
            await self.look()
            if not self.settled:
                await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Take up what was deployed since the last look."""
        async with self._lock:
            deployment = self._table.deployment
            if deployment is not self._seen and self._has_arrived(deployment):
                await self._take(deployment)
                self._seen = deployment
            if deployment is self._seen:
                self.settled = True
            self._give_up_shadow()

    def detail(self) -> dict[str, Any]:
        """What `/health` says: the sets by stage, and those that were refused."""
        now = self.now
        canary = {"set": _named(now.canary), "tenants": len(now.tenants)} if now.canary is not None else None
        refused = [
            {"stage": stage, "digest": each.digest, "why": each.why, "where": each.where}
            for stage, each in sorted(self._standing.items())
        ]
        shadow = self._candidate[0] if self._candidate is not None else None
        return {"active": _named(now.active), "canary": canary, "shadow": shadow, "refused": refused}

    def _has_arrived(self, deployment: Deployment | None) -> bool:
        if deployment is None or all(
            self._table.value(deployment.name, digest) is not None for _, digest in deployment.stages() if digest
        ):
            self._missing_since = None
            return True
        if self._missing_since is None:
            self._missing_since = time.monotonic()
        return time.monotonic() - self._missing_since > ARRIVES_SECONDS

    async def _take(self, deployment: Deployment | None) -> None:
        self._standing = {}
        if deployment is None:
            await self._switch(InUse(self._own))
            self._compare(None, "")
            return
        active = await self._active(deployment)
        canary = None
        if deployment.canary is not None:
            canary = await self._load(deployment.name, deployment.canary.digest, Stage.CANARY)
        tenants = frozenset(deployment.canary.tenants) if deployment.canary is not None and canary else frozenset()
        await self._switch(InUse(active, canary, tenants))
        await self._take_shadow(deployment)
        log.info("rules: %s at work", active.rules.identity)

    async def _active(self, deployment: Deployment) -> Running:
        """The active set; if it cannot be used, what is at work; at a start, the latest before it that can be."""
        found = await self._load(deployment.name, deployment.active, Stage.ACTIVE)
        if found is not None:
            return found
        if self.settled:
            return self.now.active
        for digest in reversed(deployment.former):
            if (former := await self._load(deployment.name, digest, Stage.ACTIVE, quiet=True)) is not None:
                return former
        return self._own

    async def _load(
        self, name: str, digest: str, stage: Stage, *, shared: bool = True, quiet: bool = False
    ) -> Running | None:
        """The set, compiled; None if it is refused. What is not `shared` is compiled for its caller alone."""
        if shared and (loaded := self._loaded.get(digest)) is not None:
            return loaded
        value = self._table.value(name, digest)
        place = (digest, sha256(value or b"").digest())
        if place not in self._refused:
            try:
                with self._holding() if shared else nullcontext():
                    loaded = await asyncio.to_thread(_loaded, value, name, digest)
            except RuleSetRefused as refused:
                self._refuse(place, name, stage, refused)
            else:
                if shared:
                    self._loaded[digest] = loaded
                return loaded
        if not quiet:
            self._standing[stage] = self._refused[place]
        return None

    async def _switch(self, new: InUse) -> None:
        self.now = new
        self._use(new)
        in_use = {new.active.digest, *([new.canary.digest] if new.canary is not None else [])}
        self._loaded = {digest: each for digest, each in self._loaded.items() if digest == OWN or digest in in_use}
        self._show()
        policies = dict.fromkeys(new.tenants, new.canary.rules.learning) if new.canary is not None else {}
        await self._learn(new.active.rules.learning, policies)

    async def _take_shadow(self, deployment: Deployment) -> None:
        """The shadow's set is compiled for it alone: it works in another thread."""
        live = self.now.active
        wanted = (deployment.shadow, live.digest) if deployment.shadow else None
        if wanted == self._candidate:
            return
        if wanted is None:
            self._compare(None, "")
            return
        loaded = await self._load(deployment.name, deployment.shadow, Stage.SHADOW, shared=False)
        if loaded is None:
            self._compare(None, "")
            return
        scrubber = Scrubber(loaded.recogniser, self._known, self._bounds)
        self._compare(Candidate(deployment.shadow, live.digest, live.recogniser, scrubber), loaded.rules.version)

    def _compare(self, candidate: Candidate | None, version: str) -> None:
        self._candidate = (candidate.digest, candidate.against) if candidate is not None else None
        self._shadow.use(candidate)
        self._show()
        if candidate is not None:
            self._info(candidate.scrubber.recogniser.identity.partition("@")[0], version, candidate.digest, "shadow")

    def _give_up_shadow(self) -> None:
        """Say it, when the shadow gave its candidate up."""
        failed = self._shadow.failed
        if failed is None or self._seen is None:
            return
        place = (failed, b"given up")
        if place not in self._refused:
            self._refuse(place, self._seen.name, Stage.SHADOW, RuleSetRefused(Unusable.FAILING))
        self._standing[Stage.SHADOW] = self._refused[place]

    def _refuse(self, place: tuple[str, bytes], name: str, stage: Stage, refused: RuleSetRefused) -> None:
        """Say that a set is not used: once for each state of its record."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        refusal = Refusal(self._worker, name, place[0], stage, refused.why, refused.where, now)
        self._refused[place] = refusal
        log.error("rules: %s@%s refused: %s", name, place[0][:12], refused.why)
        self._metrics.rule_sets_refused.inc()
        self._notices.say(NoticeKind.REFUSED, refusal)

    def _show(self) -> None:
        self._metrics.rule_set_info.clear()
        for stage, each in (("active", self.now.active), ("canary", self.now.canary)):
            if each is not None:
                self._info(each.rules.name, each.rules.version, each.digest, stage)

    def _info(self, name: str, version: str, digest: str, stage: str) -> None:
        self._metrics.rule_set_info.labels(name, version, digest, stage).set(1)


def _loaded(value: bytes | None, name: str, digest: str) -> Running:
    if value is None:
        raise RuleSetRefused(Unusable.MISSING)
    published = decoded(value)
    if published is None:
        raise RuleSetRefused(Unusable.UNREADABLE)
    if (published.name, published.digest) != (name, digest):
        raise RuleSetRefused(Unusable.ALTERED, "name, digest")
    return running(unpack(published))


def _named(each: Running | None) -> str | None:
    return f"{each.rules.identity} {each.digest}" if each is not None else None
