"""The life of rule sets: shadow, canary, active, and back."""

import msgspec
import orjson
import pytest

import schemas
from schemas.errors import UserError
from streams.deployment import (
    FORMER,
    OWN,
    STEPS,
    Canary,
    Change,
    Deployment,
    Place,
    Stage,
    Why,
    next_place,
    placed,
    rolled_back,
)
from tests.rule_sets import published, tags

ONE, TWO, THREE = (published(tags(version)) for version in "123")
VERSIONS = {each.digest: each.version for each in (ONE, TWO, THREE)}
WHY = Why("alice", "a test", "2026-01-01T00:00:00Z")
EMPTY = Deployment("mine")
SHADOW, LIVE = Place(Stage.SHADOW), Place()


def canary(*tenants: str) -> Place:
    return Place(Stage.CANARY, tenants)


def back(deployment: Deployment, digest: str | None = None) -> Deployment:
    return rolled_back(deployment, WHY, VERSIONS, digest)


def promoted(deployment: Deployment, *tenants: str, active: bool = False) -> Deployment:
    digest, place = next_place(deployment, tenants, active=active)
    return placed(deployment, {each.digest: each for each in (ONE, TWO, THREE)}[digest], place, WHY, Change.PROMOTE)


def test_a_candidate_goes_from_shadow_to_canary_to_everybody() -> None:
    """And leaves the place it had."""
    shadow = placed(placed(EMPTY, ONE, LIVE, WHY), TWO, SHADOW, WHY)
    some = promoted(shadow, "acme")
    more = promoted(some, "borealis")
    whole = promoted(more)

    assert (shadow.active, shadow.shadow, shadow.canary) == (ONE.digest, TWO.digest, None)
    assert (some.active, some.shadow, some.canary) == (ONE.digest, "", Canary(TWO.digest, ("acme",)))
    assert more.canary == Canary(TWO.digest, ("acme", "borealis"))
    assert (whole.active, whole.shadow, whole.canary) == (TWO.digest, "", None)
    assert [each.revision for each in whole.steps] == [1, 2, 3, 4, 5]


def test_the_canary_is_left_out_only_when_that_is_said() -> None:
    """Forgetting the tenants must not make it live for all."""
    shadow = placed(EMPTY, TWO, SHADOW, WHY)
    with pytest.raises(UserError, match="which tenants"):
        promoted(shadow)
    assert promoted(shadow, active=True).active == TWO.digest
    with pytest.raises(UserError, match="no rule set"):
        promoted(EMPTY)


def test_what_is_so_already_changes_nothing() -> None:
    """A repeated command is no step."""
    live = placed(EMPTY, ONE, LIVE, WHY)
    some = placed(live, TWO, canary("b", "a", "a"), WHY)
    assert placed(live, ONE, LIVE, WHY) is live
    assert placed(some, TWO, canary("a", "b"), WHY) is some
    assert back(EMPTY) is EMPTY
    assert back(live, ONE.digest) is live


def test_a_rollback_takes_the_candidate_away_first() -> None:
    """The active set has done nothing wrong."""
    both = placed(placed(placed(EMPTY, ONE, LIVE, WHY), TWO, canary("acme"), WHY), THREE, SHADOW, WHY)
    gone = back(both)
    assert (gone.active, gone.shadow, gone.canary) == (ONE.digest, "", None)


def test_a_rollback_brings_back_the_set_before_and_said_twice_does_so_once() -> None:
    """Its answer may have been lost."""
    two = placed(placed(EMPTY, ONE, LIVE, WHY), TWO, LIVE, WHY)
    once = back(two)
    assert once.active == ONE.digest
    assert back(once) is once
    assert back(once, TWO.digest).active == TWO.digest
    assert back(placed(once, THREE, LIVE, WHY)).active == ONE.digest


def test_before_the_first_published_set_is_the_workers_own() -> None:
    """A rollback leads there."""
    assert back(placed(EMPTY, ONE, LIVE, WHY)).active == OWN


def test_a_named_rollback_ends_candidates_too() -> None:
    """By a digest, whatever is in shadow."""
    three = placed(placed(placed(EMPTY, ONE, LIVE, WHY), TWO, LIVE, WHY), THREE, SHADOW, WHY)
    named = back(three, ONE.digest)
    assert (named.active, named.shadow, named.steps[-1].version) == (ONE.digest, "", "1")
    assert back(three, TWO.digest).shadow == ""


def test_the_record_stays_small_and_keeps_to_its_schema() -> None:
    """The latest steps and former sets only."""
    deployment = EMPTY
    for number in range(STEPS + 10):
        deployment = placed(deployment, (ONE, TWO)[number % 2], LIVE, WHY)
    tree = orjson.loads(orjson.dumps(msgspec.to_builtins(placed(deployment, THREE, canary("acme"), WHY))))

    assert (len(deployment.steps), len(deployment.former), deployment.revision) == (STEPS, FORMER, STEPS + 10)
    assert schemas.check("deployment", tree) == []
    assert deployment.referenced() == {ONE.digest, TWO.digest}
