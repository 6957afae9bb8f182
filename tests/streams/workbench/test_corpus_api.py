"""The team's corpus in the workbench: samples, labels, runs, baseline."""

import orjson

from scrubbers import corpus
from scrubbers.entities import EntityType
from scrubbers.evaluate import Label
from streams import team_corpus
from tests.streams.workbench.desk import TILL, draft

TEXT = "🔥 done on till_0447 for kiosk_12"
BETTER = TILL.replace(r"\btill_\d{4}\b", r"\b(?:till_\d{4}|kiosk_\d{2})\b")


def labelled(desk):
    """A sample with two labels in it."""
    desk.post("/api/corpus", {"text": TEXT})
    desk.post("/api/corpus/samples/1/label", {"labels": [{"start": 10, "end": 19, "type": "COMPUTER_NAME"}]})
    return desk.post("/api/corpus/samples/1/label", {"values": [{"value": "kiosk_12", "type": "COMPUTER_NAME"}]})


def test_a_sample_is_labelled_by_place_and_by_value(desk):
    """Offsets are code points; the file has what `rules corpus` reads."""
    assert [TEXT[each["start"] : each["end"]] for each in labelled(desk).json["spans"]] == ["till_0447", "kiosk_12"]
    assert orjson.loads(desk.corpus.read_bytes())["spans"] == labelled(desk).json["spans"]


def test_a_value_that_looks_like_two_offsets_is_a_value(desk):
    """A time, say, or an address of two groups."""
    desk.post("/api/corpus", {"text": "at 10:12 on till_0447"})
    body = {"values": [{"value": "10:12", "type": "PERSON"}]}
    [label] = desk.post("/api/corpus/samples/1/label", body).json["spans"]
    assert (label["start"], label["end"]) == (3, 8)


def test_a_label_is_taken_away(desk):
    """One of the two."""
    labelled(desk)
    body = {"labels": [{"start": 10, "end": 19, "type": "COMPUTER_NAME"}]}
    assert len(desk.post("/api/corpus/samples/1/unlabel", body).json["spans"]) == 1


def test_a_label_outside_the_text_is_refused(desk):
    """The sample stays as it is."""
    labelled(desk)
    answer = desk.post("/api/corpus/samples/1/label", {"labels": [{"start": 10, "end": 99, "type": "PERSON"}]})
    assert (answer.status, "lies outside" in answer.json["error"]) == (422, True)


def test_recall_moves_from_one_set_to_the_other(desk):
    """What only the draft finds; misses of both by their place."""
    labelled(desk)
    found = desk.post("/api/corpus/run", {"draft": draft(BETTER), "against": {"id": "disk"}}).json
    before, after = (found[side]["tallies"]["COMPUTER_NAME"] for side in ("before", "after"))
    assert ((before["found"], before["labels"]), (after["found"], after["labels"])) == ((1, 2), (2, 2))
    assert [each["value"] for each in found["before"]["misses"]] == ["kiosk_12"]
    assert found["after"]["fallen"] == []


def test_a_draft_below_the_baseline_is_told(desk):
    """The baseline is what was accepted; it holds no value."""
    labelled(desk)
    desk.ask("PUT", "/api/corpus/baseline", {"draft": draft(BETTER)})
    found = desk.post("/api/corpus/run", {"draft": draft(), "against": draft(BETTER)}).json
    assert found["after"]["fallen"] == ["COMPUTER_NAME"]
    assert "kiosk" not in desk.corpus.with_suffix(".baseline.json").read_text()


def test_what_a_draft_finds_is_accepted_as_labels(desk):
    """From then on anything else that is found is a false alarm."""
    desk.post("/api/corpus", {"text": TEXT})
    case = desk.post("/api/corpus/samples/1/accept", {"draft": draft()}).json
    assert [TEXT[each["start"] : each["end"]] for each in case["spans"]] == ["till_0447"]
    found = desk.post("/api/corpus/run", {"draft": draft(BETTER), "against": draft()}).json
    assert [each["value"] for each in found["after"]["false_alarms"]] == ["kiosk_12"]


def test_a_sample_is_removed(desk):
    """And is not there any more."""
    labelled(desk)
    assert desk.ask("DELETE", "/api/corpus/samples/1").json == {"removed": "1"}
    assert desk.get("/api/corpus").json["samples"] == []
    assert desk.get("/api/corpus/samples/1").status == 422


def test_without_a_corpus_it_says_how_to_have_one(make_desk):
    """A workbench that was started without."""
    answer = make_desk(corpus=None).get("/api/corpus")
    assert (answer.status, answer.json["hints"]) == (422, ["start the workbench with --corpus team.ndjson"])


def test_accepting_undoes_nobodys_label(desk, monkeypatch):
    """A label that was added while the draft was at work."""
    desk.post("/api/corpus", {"text": TEXT})
    accepted = desk.bench.engine.thorough

    async def meanwhile(*args):
        found = await accepted(*args)
        team_corpus.edit(
            desk.corpus, lambda cases: [corpus.labelled(cases[0], [Label(24, 32, EntityType.COMPUTER_NAME)])]
        )
        return found

    monkeypatch.setattr(desk.bench.engine, "thorough", meanwhile)
    answer = desk.post("/api/corpus/samples/1/accept", {"draft": draft()})
    assert (answer.status, "meanwhile" in answer.json["error"]) == (422, True)
    [kept] = desk.get("/api/corpus/samples/1").json["spans"]
    assert TEXT[kept["start"] : kept["end"]] == "kiosk_12"
