"""What a rule set must stand on its way into workers, and that a refusal is on the audit log, too."""

import getpass
from pathlib import Path

import orjson
import pytest

from streams.audit import Result
from streams.cli import main
from streams.deployment import Stage
from streams.rollout import NotPublished
from streams.rule_topic import read_rules
from tests.conftest import Pipeline
from tests.integration.test_rollout import audit, publish, rollout
from tests.rule_sets import TEXT, tags, written

pytestmark = pytest.mark.integration

FAILS = ("tag-2: example 1: marked 3:13, found nothing",)


def test_what_was_forced_into_shadow_goes_on_by_force_only(pipeline: Pipeline) -> None:
    """In shadow it does no harm; what failed then is said again, and recorded again."""
    publish(pipeline, tags("1"))
    publish(pipeline, tags("2", "", "on «ASSET-0001»"), Stage.SHADOW)
    with pytest.raises(NotPublished) as refused:
        rollout(pipeline).promote([], "shadow is quiet", active=True)
    kept = read_rules(pipeline.settings).deployment.active
    forced = rollout(pipeline).promote([], "all the same", active=True, force=True)

    entries = audit(pipeline).entries()
    assert (refused.value.shortcomings, forced.forced) == (FAILS, FAILS)
    assert (kept, forced.deployment.active) == (tags("1").digest(), tags("2", "", "on «ASSET-0001»").digest())
    assert [each.result for each in entries] == [Result.DONE, Result.DONE, Result.REFUSED, Result.DONE]
    assert [each.detail["why"] for each in entries[2:]] == ["shadow is quiet", "all the same"]
    assert [tuple(each.detail["failed"]) for each in entries] == [(), FAILS, FAILS, FAILS]


def test_every_set_is_held_against_the_teams_corpus(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where it is, settings say, so that nobody forgets it; without one it is said that nothing was checked.

    An account on this machine is not taken for an employee of the same name.
    """
    corpus = tmp_path / "team.ndjson"
    label = {"start": 0, "end": 10, "type": "COMPUTER_NAME"}
    corpus.write_bytes(orjson.dumps({"id": 1, "text": TEXT, "spans": [label]}) + b"\n")
    for name, value in {**pipeline.environment(), "RMM_SCRUB_CORPUS": str(corpus)}.items():
        monkeypatch.setenv(name, value)
    arguments = ["rules", "publish", "--reason", "tags", "--rules"]
    first = main([*arguments, str(written(tmp_path, tags("1")))])
    said = capfd.readouterr().err
    lost = main([*arguments, str(written(tmp_path, tags("2")))])
    told = capfd.readouterr().err
    monkeypatch.delenv("RMM_SCRUB_CORPUS")
    unchecked = main([*arguments, str(written(tmp_path, tags("2")))])

    assert (first, lost, unchecked) == (0, 1, 0)
    assert {each.actor for each in audit(pipeline).entries()} == {f"os:{getpass.getuser()}"}
    assert "recall" not in said
    assert "COMPUTER_NAME: finds 0 of 1 in the corpus, mine@1 finds 1\n" in told
    assert "recall is not checked" in capfd.readouterr().err
