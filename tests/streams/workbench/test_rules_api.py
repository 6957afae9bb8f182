"""Drafts: opened, tried, linted, compared, saved."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from schemas.errors import UserError
from scrubbers.rulefiles import SourceFile
from streams.workbench import sets
from tests.rule_sets import EVIL, EVIL_TEXT
from tests.streams.workbench.desk import TILL, draft

SAMPLE = {"text": '{"tenant":"acme","message":"backup done on till_0447 for 10.1.2.3"}', "event": True}
SLOW = TILL.replace(r"\btill_\d{4}\b", r"(\w+_?)+\d{4}")


def tried(desk, rules=TILL, **sample):
    """A trial of a draft."""
    return desk.post("/api/try", {"draft": draft(rules), "sample": {**SAMPLE, **sample}}).json


class TestTry:
    """`POST /api/try`."""

    def test_says_what_each_rule_finds_and_what_it_becomes(self, desk):
        """Place, rule, score and fate of a candidate, and the event after."""
        found = tried(desk)
        [candidate] = [each for string in found["explanation"]["strings"] for each in string["candidates"]]
        start, end = candidate["place"]
        assert SAMPLE["text"][start:end] == "till_0447"
        assert (candidate["rule"], candidate["score"], candidate["fate"]) == ("till", 0.8, "kept")
        assert found["scrubbed"] == SAMPLE["text"].replace("till_0447", candidate["becomes"])
        assert found["explanation"]["edits"] == [{"start": start, "end": end, "text": candidate["becomes"]}]

    def test_pseudonyms_stay_while_a_person_types(self, desk):
        """Two drafts, one throw-away key."""
        assert tried(desk)["scrubbed"] == tried(desk, TILL + "# more\n")["scrubbed"]

    def test_names_that_are_known_beforehand_are_found(self, desk):
        """As a tenant's are."""
        found = tried(desk, text="utica is down", event=False, known=["UTICA"])
        assert "utica" not in found["scrubbed"]

    def test_offsets_count_code_points(self, desk):
        """An emoji in front is one."""
        found = tried(desk, text="🔥 on till_0447", event=False)
        [edit] = found["explanation"]["edits"]
        assert (edit["start"], edit["end"]) == (5, 14)

    @pytest.mark.parametrize(
        ("broken", "line"),
        [
            (TILL.replace("supported_entity", "entity"), 5),
            (TILL.replace(r"\btill_\d{4}\b", r"till_(\d{4}"), 8),
            ("name: [\n", 2),
        ],
    )
    def test_rules_with_errors_name_the_line(self, desk, broken, line):
        """Schema, expression, YAML."""
        [problem, *_] = tried(desk, broken)["problems"]
        assert (problem["file"], problem["line"], problem["severity"]) == ("ours.yaml", line, "error")

    def test_a_sample_that_is_none_is_told_without_its_text(self, desk):
        """It would go to quarantine."""
        found = tried(desk, text="not json, till_0447")
        assert found["objection"] == "not an event: not JSON"
        assert found["explanation"] is None

    def test_an_expression_without_end_is_stopped(self, desk):
        """A second of matching, then its rule is named."""
        found = tried(desk, TILL.replace(r"\btill_\d{4}\b", EVIL), text=EVIL_TEXT, event=False)
        assert "till did not end in time" in found["objection"]

    def test_a_sample_that_is_too_long_is_refused(self, desk):
        """Explaining shows every candidate of it."""
        answer = desk.post("/api/try", {"draft": draft(), "sample": {"text": "x" * 300_000}})
        assert (answer.status, "at most" in answer.json["error"]) == (422, True)


class TestLint:
    """`POST /api/lint`."""

    def test_names_what_backtracks_without_bound(self, desk):
        """At the line of the expression."""
        found = desk.post("/api/lint", {"draft": draft(SLOW)}).json["problems"]
        assert [(each["check"], each["line"]) for each in found if each["severity"] == "error"] == [("slow", 8)]

    def test_runs_the_examples(self, desk):
        """One that does not hold is a problem at its line."""
        broken = TILL.replace('"till_1"]', '"«till_1»"]')
        found = desk.post("/api/lint", {"draft": draft(broken)}).json
        assert [(each["check"], each["line"]) for each in found["problems"]] == [("broken-example", 9)]
        assert found["examples"] == 2

    def test_a_good_draft_has_no_problems(self, desk):
        """Nothing to say."""
        assert desk.post("/api/lint", {"draft": draft()}).json == {"problems": [], "examples": 2}


class TestSets:
    """`/api/sets`."""

    def test_without_kafka_there_are_the_rules_on_disk_and_the_shipped_ones(self, desk):
        """Each with its name and version."""
        found = [(each["id"], each["identity"]) for each in desk.get("/api/sets").json["sets"]]
        assert found == [("disk", "ours@1"), ("shipped", "rmm-default@1.0.0")]

    def test_a_kafka_without_our_topics_keeps_nobody_from_tuning(self, desk, monkeypatch):
        """The list has what is at hand, also if a file on disk is no text."""

        def missing(_):
            raise UserError("there is no topic rules")

        monkeypatch.setattr(sets, "reachable", lambda _: True)
        monkeypatch.setattr(sets, "read_rules", missing)
        (desk.rules / "ours.yaml").write_bytes(b"\xff")
        found = [(each["id"], each["identity"]) for each in desk.get("/api/sets").json["sets"]]
        assert found == [("disk", "with errors"), ("shipped", "rmm-default@1.0.0")]

    def test_of_two_who_save_at_once_one_does(self, desk, monkeypatch):
        """The other hears that the files have changed."""
        opened = desk.bench.sets.open("disk")
        both = threading.Barrier(2)
        read = sets.source_files

        def slowly(path):
            found = read(path)
            with contextlib.suppress(threading.BrokenBarrierError):
                both.wait(0.5)
            return found

        def save(number):
            try:
                return desk.bench.sets.save((SourceFile("ours.yaml", f"{TILL}# {number}\n"),), opened.stamp).stamp
            except UserError as problem:
                return str(problem)

        monkeypatch.setattr(sets, "source_files", slowly)
        with ThreadPoolExecutor(2) as threads:
            told = list(threads.map(save, range(2)))
        assert sum("changed on disk" in each for each in told) == 1

    def test_a_folder_is_not_emptied(self, desk):
        """A draft without files is none."""
        stamp = desk.get("/api/sets/disk").json["stamp"]
        answer = desk.ask("PUT", "/api/sets/disk", {"files": [], "stamp": stamp})
        assert (answer.status, [path.name for path in desk.rules.iterdir()]) == (422, ["ours.yaml"])

    def test_what_is_saved_is_on_disk(self, desk):
        """Changed files are written, files that are gone are taken away."""
        opened = desk.get("/api/sets/disk").json
        files = [{"name": "tills.yaml", "text": TILL}]
        saved = desk.ask("PUT", "/api/sets/disk", {"files": files, "stamp": opened["stamp"]})
        assert saved.status == 200
        assert {path.name: path.read_text() for path in desk.rules.iterdir()} == {"tills.yaml": TILL}
        assert saved.json == desk.get("/api/sets/disk").json

    def test_what_somebody_else_changed_meanwhile_is_not_overwritten(self, desk):
        """The stamp is of the files as they were opened."""
        stamp = desk.get("/api/sets/disk").json["stamp"]
        (desk.rules / "ours.yaml").write_text(TILL + "# by another editor\n")
        answer = desk.ask("PUT", "/api/sets/disk", {"files": draft()["files"], "stamp": stamp})
        assert (answer.status, "changed on disk" in answer.json["error"]) == (422, True)
        assert (desk.rules / "ours.yaml").read_text().endswith("# by another editor\n")

    @pytest.mark.parametrize("name", ["../evil.yaml", "/etc/cron.d/evil.yaml", "a/b.yaml", ".hidden.yaml", "rules.py"])
    def test_a_file_is_nowhere_but_in_the_folder(self, desk, name):
        """Names that a folder of rules can have, and no other."""
        stamp = desk.get("/api/sets/disk").json["stamp"]
        answer = desk.ask("PUT", "/api/sets/disk", {"files": draft(name=name)["files"], "stamp": stamp})
        assert (answer.status, "a rule file is called" in answer.json["error"]) == (422, True)

    def test_a_set_that_is_one_file_stays_one(self, make_desk, tmp_path):
        """Two files have no place in it."""
        alone = tmp_path / "alone.yaml"
        alone.write_text(TILL)
        desk = make_desk(rules=alone)
        stamp = desk.get("/api/sets/disk").json["stamp"]
        files = [*draft()["files"], {"name": "b.yaml", "text": "fields: []"}]
        answer = desk.ask("PUT", "/api/sets/disk", {"files": files, "stamp": stamp})
        assert (answer.status, "is one file" in answer.json["error"]) == (422, True)

    def test_a_set_that_is_not_there_is_told(self, desk):
        """A digest that nobody published."""
        assert desk.get("/api/sets/0123").status == 422


class TestCompare:
    """`POST /api/compare`."""

    def test_names_what_differs_in_the_rules(self, desk):
        """A rule that was added."""
        more = TILL + "fields:\n  - {name: site, type: COMPUTER_NAME, paths: ['**.site']}\n"
        found = desk.post("/api/compare", {"before": {"id": "disk"}, "after": draft(more)}).json
        assert [(each["part"], each["name"], each["kind"]) for each in found["differences"]] == [
            ("fields", "site", "added")
        ]

    def test_counts_what_changes_in_the_corpus(self, desk):
        """A finding that is lost."""
        desk.post("/api/corpus", {"text": "done on till_0447"})
        found = desk.post(
            "/api/compare",
            {"before": draft(), "after": draft(TILL.replace("till_\\d", "kiosk_\\d")), "corpus": True},
        ).json
        assert [(each["kind"], each["rule"], each["number"]) for each in found["counts"]] == [("removed", "till", 1)]


class TestDoor:
    """Who may do what, and how bad requests are answered."""

    def test_who_may_only_look_changes_nothing(self, make_desk):
        """Trying and linting are looking; saving, publishing, labelling and sealed samples are not."""
        desk = make_desk(may_change=False)
        assert tried(desk)["scrubbed"]
        changes = {
            "PUT": ["/api/sets/disk", "/api/corpus/baseline"],
            "POST": [
                "/api/corpus",
                "/api/corpus/run",
                "/api/corpus/samples/1/label",
                "/api/corpus/samples/1/unlabel",
                "/api/corpus/samples/1/accept",
                "/api/deployment/publish",
                "/api/deployment/promote",
                "/api/deployment/rollback",
                "/api/sealed/open",
            ],
            "GET": ["/api/corpus", "/api/corpus/samples/1", "/api/sealed"],
            "DELETE": ["/api/corpus/samples/1"],
        }
        assert {desk.ask(method, place, {}).status for method, places in changes.items() for place in places} == {403}
        assert desk.post("/api/compare", {"before": draft(), "after": draft(), "corpus": True}).status == 403

    @pytest.mark.parametrize(
        ("body", "place"),
        [
            ({"draft": {"files": "till_0447"}, "sample": {"text": ""}}, "`$.draft.files`"),
            ({"draft": {}, "sample": {"text": 447}}, "`$.sample.text`"),
            ([], "`$`"),
        ],
    )
    def test_a_body_that_is_none_is_told_by_its_place(self, desk, body, place):
        """And nothing of it comes back."""
        answer = desk.post("/api/try", body)
        assert (answer.status, answer.json["error"]) == (400, f"the body is not as expected, at {place}")

    def test_nothing_of_a_sample_is_in_the_log(self, desk, caplog):
        """Not even when it goes wrong."""
        tried(desk, "name: [", text="secret-till_0447")
        tried(desk, text="secret-till_0447", event=True)
        desk.post("/api/try", {"draft": {"id": "secret-till_0447"}, "sample": {"text": ""}})
        assert "secret" not in caplog.text

    def test_the_page_and_its_modules_are_there(self, desk):
        """Everything that the page names is served, with a type that browsers accept."""
        page = desk.get("/").text
        assert 'src="/static/app.js"' in page
        assert (
            desk.get("/static/app.js").headers["Content-Type"].startswith(("text/javascript", "application/javascript"))
        )
        assert desk.get("/static/style.css").status == 200

    def test_without_kafka_what_needs_it_says_so(self, desk):
        """The rest works."""
        assert desk.get("/api/deployment").json["kafka"] is False
        assert desk.get("/api/sealed").json == {"kafka": False, "sealed": [], "purpose_needed": False}
        refused = desk.post("/api/deployment/publish", {"draft": draft(), "reason": "why"})
        assert (refused.status, refused.json["error"]) == (422, "no Kafka answers at localhost:1")
