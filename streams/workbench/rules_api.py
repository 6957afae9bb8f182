"""`/api/sets`, `/api/try`, `/api/lint`, `/api/compare`: open rule sets, edit drafts, see what they do."""

import asyncio

import msgspec
from aiohttp import web

from schemas.errors import UserError
from scrubbers.evaluate import LabelledText
from scrubbers.rulefiles import SourceFile
from streams import team_corpus
from streams.workbench import trials
from streams.workbench.api import answer, asked, need_change
from streams.workbench.context import Workbench
from streams.workbench.sets import check_names
from streams.workbench.trials import Sample

LONGEST_SAMPLE = 262_144  # characters; explaining shows every candidate: what is longer is for `rules diff`


class Draft(msgspec.Struct, frozen=True):
    """A rule set: the files of a draft, or (`id`) one that the workbench can open."""

    files: tuple[SourceFile, ...] = ()
    id: str = ""


class Try(msgspec.Struct, frozen=True):
    """A sample to be tried by a draft."""

    draft: Draft
    sample: Sample


class Lint(msgspec.Struct, frozen=True):
    """A draft to be linted."""

    draft: Draft


class Compare(msgspec.Struct, frozen=True):
    """Two rule sets to be compared; with `corpus` also by what they find in the team's."""

    before: Draft
    after: Draft
    corpus: bool = False


class Save(msgspec.Struct, frozen=True):
    """A draft to be written to disk; `stamp` is that of the files when they were opened."""

    files: tuple[SourceFile, ...]
    stamp: str


def add_rules(application: web.Application, bench: Workbench) -> None:
    """Serve them."""

    async def sets(_: web.Request) -> web.Response:
        return answer({"sets": await asyncio.to_thread(bench.sets.listed)})

    async def opened(request: web.Request) -> web.Response:
        return answer(await asyncio.to_thread(bench.sets.open, request.match_info["id"]))

    async def save(request: web.Request) -> web.Response:
        need_change(request)
        wanted = await asked(request, Save)
        return answer(await asyncio.to_thread(bench.sets.save, wanted.files, wanted.stamp))

    async def attempt(request: web.Request) -> web.Response:
        wanted = await asked(request, Try)
        if len(wanted.sample.text) > LONGEST_SAMPLE:
            raise UserError(f"a sample has at most {LONGEST_SAMPLE} characters", "rmm-scrub rules diff takes files")
        return answer(await bench.engine.swift(trials.attempt, await files_of(bench, wanted.draft), wanted.sample))

    async def lint(request: web.Request) -> web.Response:
        files = await files_of(bench, (await asked(request, Lint)).draft)
        return answer(await bench.engine.thorough(trials.inspect, files))

    async def compare(request: web.Request) -> web.Response:
        wanted = await asked(request, Compare)
        before, after = [await files_of(bench, each) for each in (wanted.before, wanted.after)]
        cases: tuple[LabelledText, ...] = ()
        if wanted.corpus:
            need_change(request)
            cases = tuple(await asyncio.to_thread(team_corpus.read, bench.need_corpus()))
        return answer(await bench.engine.thorough(trials.compared, before, after, cases))

    application.router.add_get("/api/sets", sets)
    application.router.add_get("/api/sets/{id}", opened)
    application.router.add_put("/api/sets/disk", save)
    application.router.add_post("/api/try", attempt)
    application.router.add_post("/api/lint", lint)
    application.router.add_post("/api/compare", compare)


async def files_of(bench: Workbench, draft: Draft) -> tuple[SourceFile, ...]:
    """The files of a draft.

    Raises:
        UserError: it is none that the workbench can open, or its files cannot be a folder's.
    """
    if draft.id:
        return (await asyncio.to_thread(bench.sets.open, draft.id)).files
    check_names(draft.files)
    return draft.files
