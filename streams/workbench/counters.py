"""`/api/counters`: what the workers count, added up from their `/metrics`; never a value of an event."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import aiohttp
import msgspec
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from streams.config import Settings
from streams.workbench.api import answer
from streams.workbench.context import Workbench

MOST_WORKERS = 64
_TOGETHER = 4  # ports that are asked at once: workers take those that follow each other
_SECONDS = 2.0
_OURS = "\n# TYPE rmm_scrub_"

# Metric → (what it is called here, the label that it is broken down by).
_SHOWN = {
    "rmm_scrub_records_total": ("records", "lane"),
    "rmm_scrub_findings_total": ("findings", "type"),
    "rmm_scrub_quarantined_total": ("quarantined", "reason"),
    "rmm_scrub_leaks_total": ("leaks", "type"),
    "rmm_scrub_canary_leaks_total": ("canary_leaks", ""),
    "rmm_scrub_rule_set_refused_total": ("refused", ""),
    "rmm_scrub_lag_records": ("lag", "lane"),
}


class InUse(msgspec.Struct, frozen=True, order=True):
    """A rule set that workers use, and how many of them."""

    stage: str
    identity: str
    digest: str
    workers: int


class Counters(msgspec.Struct, frozen=True):
    """Totals over all workers that answered, by name and label."""

    workers: int
    totals: dict[str, dict[str, float]]
    rule_sets: tuple[InUse, ...]


def add_counters(application: web.Application, bench: Workbench) -> None:
    """Serve them."""

    async def counters(_: web.Request) -> web.Response:
        return answer(added_up(await _expositions(bench)))

    application.router.add_get("/api/counters", counters)


def added_up(expositions: Sequence[str]) -> Counters:
    """The counters of several workers' expositions (Prometheus text format)."""
    totals: dict[str, dict[str, float]] = {name: defaultdict(float) for name, _ in _SHOWN.values()}
    used: Counter[tuple[str, str, str]] = Counter()
    for text in expositions:
        for name, labels, value in _samples(text):
            if name in _SHOWN:
                called, label = _SHOWN[name]
                totals[called][labels.get(label, "")] += value
            elif name == "rmm_scrub_rule_set_info" and value:
                used[labels["stage"], f"{labels['name']}@{labels['version']}", labels["digest"]] += 1
    shown = {name: dict(sorted(found.items())) for name, found in totals.items()}
    return Counters(len(expositions), shown, tuple(sorted(InUse(*what, count) for what, count in used.items())))


def _samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            yield sample.name, sample.labels, sample.value


async def _expositions(bench: Workbench) -> list[str]:
    """The `/metrics` of each worker that answers: those that were named, or this machine's by their ports."""
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        if bench.workers:
            return await _fetched(session, bench.workers)
        found: list[str] = []
        urls = list(_by_port(bench.settings))
        for start in range(0, len(urls), _TOGETHER):
            answered = await _fetched(session, urls[start : start + _TOGETHER])
            found += answered
            if len(answered) < _TOGETHER:
                break
        return found


def _by_port(settings: Settings) -> Iterator[str]:
    host = "127.0.0.1" if settings.web_host in ("0.0.0.0", "::") else settings.web_host  # noqa: S104 - not bound here
    for slot in range(MOST_WORKERS):
        yield f"http://{host}:{settings.web_port + slot}"


async def _fetched(session: aiohttp.ClientSession, urls: Sequence[str]) -> list[str]:
    answers = await asyncio.gather(*(_metrics(session, url) for url in urls))
    return [each for each in answers if each]


async def _metrics(session: aiohttp.ClientSession, url: str) -> str:
    try:
        async with session.get(f"{url.rstrip('/')}/metrics") as response:
            text = await response.text()
            return text if response.status == 200 and _OURS in text else ""  # another server may have the port
    except (aiohttp.ClientError, TimeoutError, UnicodeDecodeError):
        return ""
