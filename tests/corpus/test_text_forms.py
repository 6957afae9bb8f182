"""Every written form of the composed cases is found, and what only looks like one is not."""

from pathlib import Path
from typing import Any

import orjson

from scrubbers import rules
from scrubbers.compiled import CompiledRules

ENGINE = CompiledRules(rules.load())
# A bare name without a telling form needs a known name; a SID is no entity type.
NOT_BY_FORM = {"sid"}


def cases(shared: Path) -> list[dict[str, Any]]:
    """The composed cases."""
    found: list[dict[str, Any]] = orjson.loads((shared / "vectors/text_forms.json").read_bytes())["cases"]
    return found


def leftovers(case: dict[str, Any]) -> list[str]:
    """What stays of the entities when all findings are taken out: but a dot, a `$` or `ip-` at the ends."""
    text = case["text"]
    covered = {at for each in ENGINE.find(text) if not each.allowed for at in range(each.start, each.end)}
    rest = [
        "".join(text[at] for at in range(entity["start"], entity["end"]) if at not in covered)
        for entity in case["entities"]
        if entity["action"].startswith("pseudonymise")
    ]
    return [each for each in rest if each not in {"", ".", "$", "ip-"}]


def test_every_form_is_found(shared: Path) -> None:
    """All but the one that has no form."""
    assert {case["id"] for case in cases(shared) if leftovers(case)} == NOT_BY_FORM


def test_nothing_else_is_touched(shared: Path) -> None:
    """A finding overlaps an entity of its case."""
    touched = [
        (case["id"], each.rule)
        for case in cases(shared)
        for each in ENGINE.find(case["text"])
        if not each.allowed
        and not any(entity["start"] < each.end and each.start < entity["end"] for entity in case["entities"])
    ]
    assert touched == []
