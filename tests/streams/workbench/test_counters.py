"""Counters of several workers, added up."""

from aiohttp import web

from streams.metrics import Metrics
from streams.workbench.counters import InUse, added_up
from tests.streams.workbench.browsers import free_origin


def exposition(events: int, leaks: int = 0) -> str:
    """A worker's `/metrics`."""
    metrics = Metrics()
    metrics.records.labels("scrub").inc(events)
    metrics.findings.labels("IP_ADDRESS").inc(2 * events)
    metrics.quarantined.labels("scrub", "not_utf8").inc(1)
    metrics.lag.labels("scrub").set(7)
    metrics.leaks.labels("PERSON", "known").inc(leaks)
    metrics.rule_set_info.labels("ours", "1", "abc", "active").set(1)
    return metrics.text().decode()


def test_workers_are_added_up():
    """By lane, type and reason."""
    found = added_up([exposition(10), exposition(5, leaks=1)])
    assert found.workers == 2
    assert found.totals["records"] == {"scrub": 15.0}
    assert found.totals["findings"] == {"IP_ADDRESS": 30.0}
    assert found.totals["quarantined"] == {"not_utf8": 2.0}
    assert found.totals["lag"] == {"scrub": 14.0}
    assert found.totals["leaks"]["PERSON"] == 1.0


def test_says_which_rule_sets_are_at_work():
    """And on how many workers."""
    assert added_up([exposition(1), exposition(1)]).rule_sets == (InUse("active", "ours@1", "abc", 2),)


def test_without_workers_there_is_nothing(desk):
    """No worker answers at the ports of these settings."""
    found = desk.get("/api/counters").json
    assert (found["workers"], found["totals"]["records"]) == (0, {})


def test_another_server_at_a_workers_port_is_no_worker(world, make_desk):
    """One that answers whatever it is asked with a page."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html>\n<p>{welcome}", content_type="text/html")

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(text=exposition(3))

    places = []
    for handler in (page, metrics):
        other, (origin, port) = web.Application(), free_origin()
        other.router.add_get("/metrics", handler)
        world.serve(other, port)
        places.append(origin)
    found = make_desk(workers=tuple(places)).get("/api/counters").json
    assert (found["workers"], found["totals"]["records"]) == (1, {"scrub": 3.0})
