"""What is explained is what is done: over real texts and events, findings and output are the pipeline's."""

from pathlib import Path

import orjson
import pytest

from scrubbers import rules
from scrubbers.compiled import CompiledRules
from scrubbers.detect import Detector
from scrubbers.explain import Explainer, throwaway
from scrubbers.known import KnownEntities
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.recognise import Recogniser
from scrubbers.records import Record
from scrubbers.scrub import Scrubber

TENANT = "acme"


@pytest.fixture(scope="module")
def recogniser() -> Recogniser:
    """The shipped rules, compiled."""
    return Recogniser(rules.load(), CompiledRules(rules.load()))


@pytest.fixture(scope="module")
def pseudonymiser() -> Pseudonymiser:
    """One key for both sides."""
    return throwaway(rules.load())


def scrubbed(line: bytes, recogniser: Recogniser, pseudonymiser: Pseudonymiser) -> str:
    """An event as the pipeline leaves it, by what it teaches itself."""
    known = KnownEntities(recogniser.learning)
    scrubber = Scrubber(recogniser, known)
    reading = scrubber.read(Record("raw", 0, 0, 0, None, line, [("tenant", TENANT.encode())]))
    for each in reading.learned:
        known.add(TENANT, each)
    value = scrubber.write(reading, pseudonymiser).value
    return (value or b"").decode()


def test_the_findings_explained_are_those_detected(shared: Path, recogniser: Recogniser) -> None:
    """Of every 12th text: span, type, score, rule, and whether it passes."""
    files = sorted((shared / "data" / "corpus").glob("*/*.ndjson"))
    lines = [line for file in files for line in file.read_bytes().splitlines()[::12]]
    texts = [orjson.loads(line)["text"] for line in lines]
    detector, explainer = Detector(recogniser), Explainer(rules.load())
    detected = [
        sorted((each.start, each.end, each.type, each.score, each.rule, each.allowed) for each in detector.text(text))
        for text in texts
    ]
    explained = [
        sorted(
            (*each.place, each.type, each.score, each.rule, each.allowed_by is not None)
            for each in explainer.text(text).findings()
        )
        for text in texts
    ]
    assert len(texts) > 400
    assert explained == detected


def test_what_an_event_becomes_is_what_the_scrubber_writes(
    shared: Path, recogniser: Recogniser, pseudonymiser: Pseudonymiser
) -> None:
    """Of every 40th event: the same bytes."""
    lines = (shared / "data" / "events" / "events.ndjson").read_bytes().splitlines()[::40]
    explainer = Explainer(rules.load(), pseudonymiser=pseudonymiser)
    assert [explainer.event(line.decode()).scrubbed for line in lines] == [
        scrubbed(line, recogniser, pseudonymiser) for line in lines
    ]
