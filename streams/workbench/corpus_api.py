"""`/api/corpus`: the team's labelled samples; label them, and hold rule sets against them.

The corpus is as confidential as telemetry: only who may change rules sees it.
"""

import asyncio
from collections.abc import Callable

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from schemas.errors import UserError
from scrubbers import corpus
from scrubbers.entities import EntityType
from scrubbers.evaluate import Label, LabelledText
from streams import team_corpus
from streams.workbench import trials
from streams.workbench.api import answer, asked, need_change
from streams.workbench.context import Workbench
from streams.workbench.rules_api import Draft, files_of

PREVIEW = 120  # characters of a sample in the list


class Listed(msgspec.Struct, frozen=True):
    """A sample in the list; `complete`: whatever else is found in it is a false alarm."""

    id: str
    preview: str
    labels: int
    complete: bool


class New(msgspec.Struct, frozen=True):
    """A text to become a sample."""

    text: str


class Mark(msgspec.Struct, frozen=True):
    """A label by its place in the sample; offsets are code points."""

    start: int
    end: int
    type: EntityType


class Value(msgspec.Struct, frozen=True):
    """A label by its value, wherever that stands in the sample."""

    value: str
    type: EntityType


class Marks(msgspec.Struct, frozen=True):
    """Labels to add or to take away."""

    labels: tuple[Mark, ...] = ()
    values: tuple[Value, ...] = ()


class Run(msgspec.Struct, frozen=True):
    """A draft, and the rule set that it shall be compared with."""

    draft: Draft
    against: Draft


class Accept(msgspec.Struct, frozen=True):
    """A draft whose findings, or whose recall, are accepted."""

    draft: Draft


def add_corpus(application: web.Application, bench: Workbench) -> None:
    """Serve it."""
    served = _Corpus(bench)
    for method, path, handler in (
        ("GET", "", served.listed),
        ("POST", "", served.add),
        ("POST", "/run", served.run),
        ("PUT", "/baseline", served.baseline),
        ("GET", "/samples/{id}", served.one),
        ("DELETE", "/samples/{id}", served.remove),
        ("POST", "/samples/{id}/label", served.label),
        ("POST", "/samples/{id}/unlabel", served.unlabel),
        ("POST", "/samples/{id}/accept", served.accept),
    ):
        application.router.add_route(method, f"/api/corpus{path}", _for_changers(handler))


class _Corpus:
    """The corpus of one workbench."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    async def listed(self, _: web.Request) -> web.Response:
        path = self._bench.need_corpus()
        cases = await self._cases()
        accepted = await asyncio.to_thread(team_corpus.read_baseline, path)
        return answer({"name": path.name, "samples": list(map(_listed, cases)), "baseline": accepted})

    async def one(self, request: web.Request) -> web.Response:
        return answer(corpus.pick(await self._cases(), request.match_info["id"]))

    async def add(self, request: web.Request) -> web.Response:
        text = (await asked(request, New)).text
        added: list[LabelledText] = []

        def change(cases: list[LabelledText]) -> list[LabelledText]:
            after, case = corpus.add(cases, text)
            added.append(case)
            return after

        await self._edit(change)
        return answer(added[0], 201)

    async def remove(self, request: web.Request) -> web.Response:
        name = request.match_info["id"]
        await self._edit(lambda cases: corpus.removed(cases, name))
        return answer({"removed": name})

    async def label(self, request: web.Request) -> web.Response:
        marks = await asked(request, Marks)
        return await self._changed(request, lambda case: corpus.labelled(case, _labels(case, marks)))

    async def unlabel(self, request: web.Request) -> web.Response:
        marks = await asked(request, Marks)
        return await self._changed(request, lambda case: corpus.unlabelled(case, _labels(case, marks)))

    async def accept(self, request: web.Request) -> web.Response:
        files = await files_of(self._bench, (await asked(request, Accept)).draft)
        case = corpus.pick(await self._cases(), request.match_info["id"])
        wanted = await self._bench.engine.thorough(trials.accepted, files, case)
        return await self._changed(request, lambda now: _unless_changed(now, case, wanted))

    async def run(self, request: web.Request) -> web.Response:
        wanted = await asked(request, Run)
        before, after = [await files_of(self._bench, each) for each in (wanted.against, wanted.draft)]
        accepted = await asyncio.to_thread(team_corpus.read_baseline, self._bench.need_corpus())
        cases = tuple(await self._cases())
        return answer(await self._bench.engine.thorough(trials.run_corpus, before, after, cases, accepted))

    async def baseline(self, request: web.Request) -> web.Response:
        files = await files_of(self._bench, (await asked(request, Accept)).draft)
        cases = tuple(await self._cases())
        found = await self._bench.engine.thorough(trials.run_corpus, files, files, cases, None)
        await asyncio.to_thread(team_corpus.write_baseline, self._bench.need_corpus(), found.after.now)
        return answer(found.after.now)

    async def _cases(self) -> list[LabelledText]:
        path = self._bench.need_corpus()
        return await asyncio.to_thread(team_corpus.read, path) if path.exists() else []

    async def _edit(self, change: Callable[[list[LabelledText]], list[LabelledText]]) -> None:
        await asyncio.to_thread(team_corpus.edit, self._bench.need_corpus(), change)

    async def _changed(self, request: web.Request, change: Callable[[LabelledText], LabelledText]) -> web.Response:
        """One sample changed in the file, and as it is now."""
        done: list[LabelledText] = []

        def edit(cases: list[LabelledText]) -> list[LabelledText]:
            done.append(change(corpus.pick(cases, request.match_info["id"])))
            return corpus.replaced(cases, done[0])

        await self._edit(edit)
        return answer(done[0])


def _for_changers(handler: Handler) -> Handler:
    async def guarded(request: web.Request) -> web.StreamResponse:
        need_change(request)
        return await handler(request)

    return guarded


def _unless_changed(now: LabelledText, before: LabelledText, wanted: LabelledText) -> LabelledText:
    if now != before:
        raise UserError("somebody labelled this sample meanwhile", "look at it, then accept again")
    return wanted


def _listed(case: LabelledText) -> Listed:
    return Listed(str(case.id), case.text[:PREVIEW], len(case.spans), len(case.complete) == len(EntityType))


def _labels(case: LabelledText, marks: Marks) -> list[Label]:
    found = [Label(each.start, each.end, each.type) for each in marks.labels]
    found += [label for each in marks.values for label in corpus.wherever(case.text, each.value, each.type)]
    return corpus.fitting(case.text, found)
