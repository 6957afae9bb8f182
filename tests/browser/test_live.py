"""Publish, Live and sealed samples, before a Kafka and a worker that run; and how all of it looks."""

import itertools
import re
import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from scrubbers import rules
from scrubbers.published import source_files
from streams.audit import Action, AuditLog
from streams.broker import Broker
from streams.deployment import Place
from streams.rollout import Author, Candidate, Rollout
from tests.browser.desk import TILL, Desk, a_file, paste, serving
from tests.conftest import Pipeline, header, record
from tests.integration.test_worker import get

pytestmark = pytest.mark.integration

TAKEN_UP = 5.0  # seconds within which a running worker uses what was published
SHOTS = Path("build/workbench")
VIEWS = ("Tune", "Corpus", "Compare", "Publish", "Live")
THEMES = ("light", "dark")
WIDTHS = (390, 1280)
AA = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
EVENT = {
    "tenant": "acme",
    "host": {"name": "UTICA", "ip": ["10.20.1.2"]},
    "message": "till_0447 (UTICA) calls j.smith@contoso.com",
}
BROKEN = b'{"host":{"name":"zephyr-9931"},"message":"\xff from 10.20.1.2"}'


@pytest.fixture(scope="module")
def pipeline(kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """A worker at work with the shipped rules, published; some events are through, and one is in quarantine."""
    started = Pipeline(kafka.bootstrap, tmp_path_factory.mktemp("pipeline"))
    started.tenants("acme")
    shipped = Candidate(rules.load(), source_files(rules.SHIPPED))
    audit = AuditLog(started.settings, started.keyring.audit_key())
    Rollout(started.settings, audit, Author("alice", "alice")).publish(shipped, Place(), "what we began with")
    with started.workers():
        started.send("raw", [record(orjson.dumps(EVENT), key=b"%d" % number) for number in range(50)])
        started.send("raw", [record(BROKEN, content_type=b"application/json")])
        started.until(started.drained)
        yield started


@pytest.fixture(scope="module")
def desk(chromium: Browser, pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A workbench at this pipeline, with a sample in its corpus."""
    with serving(chromium, tmp_path_factory.mktemp("desk"), pipeline.environment()) as running:
        label = {"start": 13, "end": 22, "type": "IP_ADDRESS"}
        running.corpus.write_bytes(orjson.dumps({"id": 1, "text": "said from at 10.20.1.9", "spans": [label]}) + b"\n")
        yield running


def through(pipeline: Pipeline, mark: str) -> None:
    """One event with a mark, until it is scrubbed."""
    pipeline.send("raw", [record(orjson.dumps(EVENT), x_mark=mark.encode())])
    pipeline.until(pipeline.drained)


def used(pipeline: Pipeline, version: str) -> None:
    """Wait until the worker uses a version, for as long as it may take."""
    wanted = f'stage="active",version="{version}"}} 1.0'.encode()
    deadline = time.monotonic() + TAKEN_UP
    while wanted not in get(pipeline, "/metrics")[1]:
        assert time.monotonic() < deadline, version
        time.sleep(0.1)


def draft(page: Page, version: str, file: str = TILL) -> None:
    """The shipped rules with one of ours, as a version of its own."""
    a_file(page, "zz-till.yaml", file)
    page.get_by_role("button", name="00-rule-set.yaml").click()
    head = page.get_by_label("Rule file 00-rule-set.yaml")
    head.fill(head.input_value().replace('"1.0.0"', f'"{version}"'))
    expect(page.locator("#identity")).to_have_text(f"rmm-default@{version}")


def publish(page: Page, reason: str) -> None:
    """Into active."""
    page.get_by_role("tab", name="Publish").click()
    page.get_by_label("active: live for everybody").check()
    page.get_by_label("reason").fill(reason)
    page.get_by_role("button", name="Publish", exact=True).click()


def roll_back(page: Page, reason: str) -> None:
    """To what was active before; each change has a reason of its own."""
    expect(page.get_by_label("reason")).to_have_value("")
    page.get_by_label("reason").fill(reason)
    page.get_by_role("button", name="Roll back").click()
    expect(page.locator("#said")).to_contain_text("Rolled back")


def test_a_worker_uses_what_is_published_and_goes_back(page: Page, pipeline: Pipeline) -> None:
    """From the draft to the worker in five seconds; the history says who and why; and the way back."""
    through(pipeline, "before")
    draft(page, "1.1.0")
    publish(page, "tills leaked")
    expect(page.locator("#said")).to_contain_text("Published into active")
    used(pipeline, "1.1.0")
    through(pipeline, "after")
    steps = page.get_by_role("region", name="History").get_by_role("row")
    expect(steps.nth(1)).to_contain_text("tills leaked")
    expect(steps.nth(1)).to_contain_text("1.1.0")
    roll_back(page, "tills are back")
    expect(steps.nth(1)).to_contain_text("tills are back")
    expect(steps.nth(1)).to_contain_text("rollback")
    used(pipeline, "1.0.0")
    through(pipeline, "back")

    marked = {header(each, "x-mark"): each for each in pipeline.read("scrubbed")}
    outputs = [marked[mark] for mark in ("before", "after", "back")]
    versions = [header(each, "scrub-ruleset") for each in outputs]
    assert versions == ["rmm-default@1.0.0", "rmm-default@1.1.0", "rmm-default@1.0.0"]
    assert [b"till_0447" in each.value for each in outputs] == [True, False, True]


def test_nothing_is_published_without_a_reason_or_against_its_checks(page: Page) -> None:
    """An example that fails is shown; with force it is published, and the history tells that."""
    draft(page, "1.2.0", TILL.replace("on «till_0447»", "on «till»"))
    publish(page, "")
    assert not page.get_by_label("reason").evaluate("field => field.validity.valid")
    publish(page, "we must")
    refused = page.get_by_role("alert").filter(has_text="is not published")
    expect(refused).to_contain_text("till: example 1")
    expect(page.get_by_role("region", name="History")).not_to_contain_text("we must")
    page.get_by_label("Publish although checks fail").check()
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_role("region", name="History")).to_contain_text("we must (forced though: till")
    roll_back(page, "we must not")


def test_a_sealed_sample_is_drawn_and_is_on_the_audit_log(page: Page, pipeline: Pipeline, desk: Desk) -> None:
    """From quarantine into the sample box; what is no text is shown with escapes."""
    page.get_by_role("button", name="Draw a sealed sample …").click()
    sealed = page.get_by_role("dialog", name="Sealed samples")
    expect(sealed).to_contain_text("not_utf8")
    sealed.get_by_role("button", name="Open").click()
    expect(page.get_by_label("Sample: an event or a text")).to_have_value(re.compile("zephyr-9931.*\\\\xff from"))
    expect(page.locator("#before mark", has_text="10.20.1.2")).to_be_visible()

    entry = AuditLog(pipeline.settings, pipeline.keyring.audit_key()).entries()[-1]
    assert entry.action is Action.QUARANTINE_SHOW
    assert entry.actor.startswith("os:")
    assert entry.tenant == "acme"
    assert not any(b"zephyr-9931" in each.read_bytes() for each in desk.corpus.parent.rglob("*") if each.is_file())


def test_counters_are_live(page: Page, pipeline: Pipeline) -> None:
    """Events, findings by type, quarantine by reason, lag and leaks; they move while one looks."""
    page.get_by_role("tab", name="Live").click()
    events = page.get_by_role("region", name="Events", exact=True).locator(".total")
    expect(page.get_by_text("1 worker answers.")).to_be_visible()
    expect(page.get_by_role("region", name="Findings by type")).to_contain_text("COMPUTER_NAME")
    expect(page.get_by_role("region", name="Quarantined by reason")).to_contain_text("not_utf8")
    expect(page.get_by_role("region", name="Lag")).to_contain_text("scrub")
    expect(page.get_by_role("region", name="Leaks found").locator(".total")).to_have_text("0")
    expect(page.get_by_role("region", name="Rule sets at work")).to_contain_text("rmm-default@1.0.0")
    before = int(events.inner_text())
    pipeline.send("raw", [record(orjson.dumps(EVENT)) for _ in range(7)])
    expect(events).to_have_text(str(before + 7))
    expect(page.get_by_role("img", name=re.compile("^Events scrub: "))).to_be_visible()


def test_every_view_is_accessible_and_fits(page: Page) -> None:
    """WCAG 2.2 AA by axe-core in both themes, no scrolling sideways at both widths; what it looks like is kept."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    draft(page, "1.3.0", TILL.replace("on «till_0447»", "on «till»"))
    page.get_by_role("button", name="zz-till.yaml").click()
    paste(page, orjson.dumps(EVENT).decode())
    expect(page.locator(".line.error")).to_be_visible()
    page.get_by_text("Why: every candidate").click()
    violations, wide = {}, {}
    for view in VIEWS:
        page.get_by_role("tab", name=view).click()
        SETTLE[view](page)
        for theme, width in itertools.product(THEMES, WIDTHS):
            page.emulate_media(color_scheme=theme)
            page.set_viewport_size({"width": width, "height": 900})
            page.screenshot(path=SHOTS / f"{view.lower()}-{width}-{theme}.png", full_page=True)
            wide[view, width] = max(0, page.evaluate("document.documentElement.scrollWidth") - width)
            if width == WIDTHS[-1]:
                found = Axe().run(page, options=AA).response["violations"]
                violations[view, theme] = [(each["id"], each["nodes"][0]["html"]) for each in found]

    assert violations == {each: [] for each in itertools.product(VIEWS, THEMES)}
    assert wide == dict.fromkeys(itertools.product(VIEWS, WIDTHS), 0)


def _corpus(page: Page) -> None:
    page.locator("ul.samples button").first.click()
    page.get_by_role("button", name="Run the draft").click()
    expect(page.locator("#verdict")).to_be_visible()


# Each view with as much in it as it ever has.
SETTLE = {
    "Tune": lambda page: expect(page.locator("#before mark").first).to_be_visible(),
    "Corpus": _corpus,
    "Compare": lambda page: expect(page.get_by_role("region", name="What differs")).to_be_visible(),
    "Publish": lambda page: expect(page.get_by_role("region", name="History").get_by_role("table")).to_be_visible(),
    "Live": lambda page: expect(page.locator("path.curve").first).to_be_attached(),
}
