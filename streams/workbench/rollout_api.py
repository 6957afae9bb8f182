"""`/api/deployment`: publish a draft, promote it, roll it back; the history, and what shadow sees."""

import asyncio
from collections.abc import Callable

import msgspec
from aiohttp import web

from streams import rollout as rolling
from streams import team_corpus
from streams.deployment import Deployment, Place, Stage
from streams.gate import Corpus, shortcomings
from streams.notices import Refusal
from streams.rollout import Author, Candidate, Outcome, Rollout, ShadowSummary
from streams.rule_topic import Conflict
from streams.workbench import trials
from streams.workbench.api import answer, asked, need_change
from streams.workbench.context import Workbench
from streams.workbench.guard import person
from streams.workbench.rules_api import Draft, files_of


class Publish(msgspec.Struct, frozen=True):
    """A draft to be published into a stage; `tenants` are those of a canary."""

    draft: Draft
    reason: str
    stage: Stage = Stage.SHADOW
    tenants: tuple[str, ...] = ()
    force: bool = False


class Promote(msgspec.Struct, frozen=True):
    """The candidate to go on: to canary for these tenants, or to everybody; `revision` is that of what was seen."""

    reason: str
    revision: int
    tenants: tuple[str, ...] = ()
    active: bool = False
    force: bool = False


class RollBack(msgspec.Struct, frozen=True):
    """The last change to be undone, or a set to be made active again (`digest`); `revision` as for `Promote`."""

    reason: str
    revision: int
    digest: str | None = None


class State(msgspec.Struct, frozen=True):
    """What is deployed and how it came so; `kafka` is false where nothing answers."""

    kafka: bool
    deployment: Deployment | None = None
    refusals: tuple[Refusal, ...] = ()
    shadow: ShadowSummary | None = None


def add_rollout(application: web.Application, bench: Workbench) -> None:
    """Serve it."""

    async def state(_: web.Request) -> web.Response:
        return answer(await asyncio.to_thread(_state, bench))

    async def publish(request: web.Request) -> web.Response:
        need_change(request)
        wanted = await asked(request, Publish)
        files = await files_of(bench, wanted.draft)
        rules = await bench.engine.swift(trials.rule_set, files)
        place = Place(wanted.stage, wanted.tenants if wanted.stage is Stage.CANARY else ())
        return await _done(
            bench,
            request,
            lambda rollout: rollout.publish(
                Candidate(rules, files),
                place,
                wanted.reason,
                _corpus(bench),
                force=wanted.force,
                check=lambda *sets: bench.engine.wait_for(shortcomings, *sets),
            ),
        )

    async def promote(request: web.Request) -> web.Response:
        need_change(request)
        wanted = await asked(request, Promote)
        return await _done(
            bench,
            request,
            lambda rollout: _as_seen(rollout, wanted.revision).promote(
                wanted.tenants, wanted.reason, active=wanted.active, force=wanted.force
            ),
        )

    async def roll_back(request: web.Request) -> web.Response:
        need_change(request)
        wanted = await asked(request, RollBack)
        return await _done(
            bench,
            request,
            lambda rollout: _as_seen(rollout, wanted.revision).rollback(wanted.reason, wanted.digest),
        )

    application.router.add_get("/api/deployment", state)
    application.router.add_post("/api/deployment/publish", publish)
    application.router.add_post("/api/deployment/promote", promote)
    application.router.add_post("/api/deployment/rollback", roll_back)


async def _done(bench: Workbench, request: web.Request, change: Callable[[Rollout], Outcome]) -> web.Response:
    """A change in the name of whoever asks for it."""
    who = person(request)

    def work() -> Outcome:
        return change(Rollout(bench.settings, bench.audit(), Author(who.id, who.name)))

    return answer(await asyncio.to_thread(work))


def _as_seen(rollout: Rollout, revision: int) -> Rollout:
    """A page may have been open for long: its person decides about the deployment that it shows, and no other.

    Raises:
        Conflict: it has changed since.
    """
    if rollout.deployment is not None and rollout.deployment.revision != revision:
        raise Conflict(rollout.deployment)
    return rollout


def _state(bench: Workbench) -> State:
    if not bench.kafka():
        return State(kafka=False)
    deployment = bench.sets.table().deployment
    shadow = deployment.shadow if deployment is not None else ""
    return State(
        True,
        deployment,
        tuple(rolling.refusals(bench.settings)),
        rolling.shadow_summary(bench.settings, shadow) if shadow else None,
    )


def _corpus(bench: Workbench) -> Corpus:
    if bench.corpus is None or not bench.corpus.exists():
        return {}
    return {bench.corpus.stem: team_corpus.read(bench.corpus)}
