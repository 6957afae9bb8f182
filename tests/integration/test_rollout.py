"""Rule sets published, taken up, compared, tried, refused and rolled back while workers run."""

import threading
import time
from collections import Counter
from pathlib import Path

import orjson
import pytest

from scrubbers import rules
from scrubbers.entities import EntityType
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.rules import RuleSet
from streams.audit import AuditLog, Result
from streams.cli import main
from streams.deployment import Deployment, Place, Stage, Why, placed
from streams.publisher import Message
from streams.reader import Read
from streams.rollout import Author, Candidate, Rollout
from streams.rule_topic import Conflict, RuleTopic, read_rules
from tests.conftest import Pipeline, header, record
from tests.integration.test_worker import get
from tests.rule_sets import EVIL, EVIL_TEXT, TAGS, TEXT, published, shipped_with_tags, tags, written
from tests.tokens import Provider

pytestmark = pytest.mark.integration

SECONDS = 5.0  # within which a running worker has taken up what was published


def audit(pipeline: Pipeline) -> AuditLog:
    return AuditLog(pipeline.settings, pipeline.keyring.audit_key())


def rollout(pipeline: Pipeline, author: str = "alice") -> Rollout:
    """A publisher, who has looked at the topic."""
    return Rollout(pipeline.settings, audit(pipeline), Author(author, author))


def publish(pipeline: Pipeline, rule_set: RuleSet, stage: Stage = Stage.ACTIVE, *tenants: str) -> None:
    """Publish, unchecked by force."""
    assert rollout(pipeline).publish(Candidate(rule_set, ()), Place(stage, tenants), "a test", force=True).changed


def put(pipeline: Pipeline, rule_set: RuleSet, stage: Stage = Stage.ACTIVE) -> None:
    """Put a set on the topic that no check has seen."""
    topic, row = RuleTopic(pipeline.settings), published(rule_set)
    seen = topic.table.deployment
    why = Why("mallory", "a test", row.time)
    topic.commit(seen, placed(seen or Deployment(rule_set.name), row, Place(stage), why), [row])


def through(pipeline: Pipeline, mark: str, *, tenant: str = "acme", text: str = TEXT) -> Read:
    """What becomes of one event with every version's tag."""
    pipeline.send("raw", [record(orjson.dumps({"m": text}), tenant=tenant, x_mark=mark.encode())])
    pipeline.until(pipeline.drained)
    [read] = [each for each in pipeline.read("scrubbed") if header(each, "x-mark") == mark]
    return read


def expected(pseudonyms: Pseudonymiser, version: str, text: str = TEXT) -> str:
    """The text as a version leaves it."""
    tag = f"{TAGS[version]}-0042"
    return text.replace(tag, pseudonyms.replace(EntityType.COMPUTER_NAME, tag))


def made_by(pipeline: Pipeline, read: Read, tenant: str = "acme") -> str:
    """The version whose work an output is; its header says the same."""
    text, pseudonyms = orjson.loads(read.value)["m"], Pseudonymiser(pipeline.keyring.tenant(tenant))
    [version] = [each for each in TAGS if expected(pseudonyms, each) == text]
    assert header(read, "scrub-ruleset") == f"mine@{version}"
    return version


@pytest.fixture
def command(pipeline: Pipeline, monkeypatch, capsysbinary):
    """Run `rmm-scrub rules …`: exit code, standard output, standard error."""
    for name, value in pipeline.environment().items():
        monkeypatch.setenv(name, value)

    def run(*arguments: object) -> tuple[int, bytes, bytes]:
        capsysbinary.readouterr()
        code = main(["rules", *map(str, arguments)])
        return code, *capsysbinary.readouterr()

    return run


def test_running_workers_take_a_published_set_and_go_back(pipeline: Pipeline) -> None:
    """Within five seconds, both of them, without restart; a restarted worker starts with the active set."""
    pipeline.tenants("acme")
    with pipeline.workers(2):
        before = through(pipeline, "before")
        publish(pipeline, tags("1"))
        publish(pipeline, tags("2"))
        time.sleep(SECONDS)
        both = [record(orjson.dumps({"m": TEXT}), key=b"%d" % n, x_mark=b"both") for n in range(40)]
        pipeline.send("raw", both)
        after = through(pipeline, "after")
        rollout(pipeline).rollback("a test")
        time.sleep(SECONDS)
        back = through(pipeline, "back")
    with pipeline.workers():
        again = through(pipeline, "again")

    reads = [each for each in pipeline.read("scrubbed") if header(each, "x-mark") == "both"]
    assert header(before, "scrub-ruleset") == rules.load().identity
    assert [made_by(pipeline, each) for each in (after, back, again)] == ["2", "1", "1"]
    assert {made_by(pipeline, each) for each in reads} == {"2"}
    assert len({each.partition for each in reads}) == 4


def test_a_broken_set_is_refused_and_the_old_one_stays(pipeline: Pipeline, command) -> None:
    """In outputs, metrics, health and history; the worker stays ready. One that starts goes back further."""
    pipeline.tenants("acme")
    publish(pipeline, tags("1"))
    broken = tags("2", "(")
    with pipeline.workers():
        put(pipeline, broken)
        pipeline.until(lambda: b"rmm_scrub_rule_set_refused_total 1.0" in get(pipeline, "/metrics")[1], 20)
        kept = through(pipeline, "kept")
        _, metrics = get(pipeline, "/metrics")
        status, health = get(pipeline, "/health")
    with pipeline.workers():
        started = through(pipeline, "started")
    code, told, _ = command("history", "--json")
    publish(pipeline, tags("3"))  # what is broken can be replaced

    detail = orjson.loads(health)
    info = f'rmm_scrub_rule_set_info{{digest="{tags("1").digest()}",name="mine",stage="active",version="1"}} 1.0'
    step = orjson.loads(told)["steps"][-1]
    assert [made_by(pipeline, each) for each in (kept, started)] == ["1", "1"]
    assert info.encode() in metrics
    assert (status, detail["live"], detail["ready"], detail["checks"]["rules"]) == (200, True, True, True)
    assert [(each["stage"], each["digest"]) for each in detail["rules"]["refused"]] == [("active", broken.digest())]
    assert code == 0
    assert {each["why"] for each in step["refused_by"]} == {"an expression does not compile"}
    assert {each["where"] for each in step["refused_by"]} == {"tag-2"}


def test_a_candidate_in_shadow_changes_nothing_and_is_counted(make_pipeline, monkeypatch, capsysbinary) -> None:
    """Differences in metrics and in `rules shadow`; samples are sealed, and opening them is on the audit log."""
    pipeline = make_pipeline(shadow_share=1.0)
    for name, value in {**pipeline.environment(), "RMM_SCRUB_SHADOW_SHARE": "1.0"}.items():
        monkeypatch.setenv(name, value)
    pipeline.tenants("acme")
    publish(pipeline, tags("1"))
    publish(pipeline, tags("2"), Stage.SHADOW)
    with pipeline.workers():
        pipeline.until(lambda: b'stage="shadow"' in get(pipeline, "/metrics")[1], 20)
        outputs = [through(pipeline, f"m{number}") for number in range(3)]
        counted = b'rmm_scrub_shadow_differences_total{kind="added",rule="tag-2",type="COMPUTER_NAME"} 3.0'
        pipeline.until(lambda: counted in get(pipeline, "/metrics")[1], 20)
        main(["rules", "shadow", "--json"])
        pipeline.until(lambda: main(["rules", "shadow", "--json"]) == 0 and b'"compared":3' in last(capsysbinary), 30)
        assert main(["rules", "shadow", "--samples", "5", "--json"]) == 0
        shown = orjson.loads(last(capsysbinary))

    notices = pipeline.read("findings")
    assert [made_by(pipeline, each) for each in outputs] == ["1", "1", "1"]
    assert {(each["kind"], each["rule"], each["count"]) for each in shown["differences"]} == {
        ("added", "tag-2", 3),
        ("removed", "tag-1", 3),
    }
    [sample] = shown["samples"]
    assert orjson.loads(sample["value"]) == {"m": TEXT}
    assert not any(b"-0042" in (each.value or b"") or b"-0042" in repr(each.headers).encode() for each in notices)
    assert audit(pipeline).entries()[-1].detail["what"] == "shadow samples"


def last(capture) -> bytes:
    """The last line that was printed."""
    return (capture.readouterr().out.splitlines() or [b""])[-1]


def test_a_canary_is_live_for_its_tenants_only(pipeline: Pipeline, command) -> None:
    """Then promoted by one command, and by one taken away."""
    pipeline.tenants("acme", "borealis")
    publish(pipeline, tags("1"))
    publish(pipeline, tags("2"), Stage.SHADOW)
    with pipeline.workers():
        codes = [command("promote", "--canary", "borealis", "--reason", "shadow is quiet")[0]]
        time.sleep(SECONDS)
        acme, borealis = through(pipeline, "1"), through(pipeline, "2", tenant="borealis")
        codes += [command("promote", "--reason", "the canary sings")[0] for _ in range(2)]
        time.sleep(SECONDS)
        promoted = through(pipeline, "3")
        codes += [command("rollback", "--reason", "it does not")[0] for _ in range(2)]
        time.sleep(SECONDS)
        back = [through(pipeline, "4"), through(pipeline, "5", tenant="borealis")]

    assert codes == [0] * 5
    assert made_by(pipeline, acme) == "1"
    assert made_by(pipeline, borealis, "borealis") == "2"
    assert made_by(pipeline, promoted) == "2"
    assert [made_by(pipeline, back[0]), made_by(pipeline, back[1], "borealis")] == ["1", "1"]
    assert [each.change for each in read_rules(pipeline.settings).deployment.steps] == [
        "publish",
        "publish",
        "promote",
        "promote",
        "rollback",
    ]
    assert [each.action for each in audit(pipeline).entries()] == [
        "rules-publish",
        "rules-publish",
        "rules-canary",
        "rules-promote",
        "rules-rollback",
    ]


def test_a_forced_in_expression_that_never_ends_stalls_nobody(pipeline: Pipeline, command, tmp_path: Path) -> None:
    """Its events are quarantined, a whole batch of them too; others flow, and the worker keeps its partitions."""
    pipeline.tenants("acme")
    evil = written(tmp_path, tags("1", EVIL, f"on {EVIL_TEXT}"))
    with pipeline.workers():
        refused, _, said = command("publish", "--rules", evil, "--reason", "urgent")
        forced, told, _ = command("publish", "--rules", evil, "--reason", "urgent", "--force", "--json")
        time.sleep(SECONDS)
        stuck = [record(orjson.dumps({"m": f"{n} {EVIL_TEXT}"}), key=b"%d" % n) for n in range(60)]
        pipeline.send("raw", stuck)
        fine = [record(orjson.dumps({"m": f"{n} fine"}), key=b"%d" % n, x_mark=b"fine") for n in range(60)]
        pipeline.send("raw", fine)
        pipeline.until(pipeline.drained, 60)
        at_work = pipeline.workers_at_work()
        _, metrics = get(pipeline, "/metrics")

    reasons = Counter(header(each, "__rmm-scrub.errors.reason") for each in pipeline.read("quarantine"))
    assert (refused, forced, at_work) == (1, 0, 1)
    assert b"error: tag-1: an expression did not end in its time on an example" in said
    why = orjson.loads(told)["forced"]
    assert why[0].startswith("tag-1: the expression of tag backtracks without bound: does not end in ")
    assert why[1:] == ["tag-1: an expression did not end in its time on an example"]
    assert reasons == {"rule_failure": 60}
    assert sum(header(each, "x-mark") == "fine" for each in pipeline.read("scrubbed")) == 60
    assert b'rmm_scrub_transaction_aborts_total{lane="scrub"}' not in metrics
    entries = audit(pipeline).entries()
    assert [(each.result, each.reason) for each in entries] == [(Result.REFUSED, "checks failed"), (Result.DONE, "")]
    assert [each.detail["failed"] for each in entries] == [why, why]


def test_of_two_publishers_at_once_one_wins_and_the_other_hears_of_it(pipeline: Pipeline) -> None:
    """Whoever looked before the other wrote loses, whichever of them looked first; nothing of it is left."""
    first, second = rollout(pipeline, "alice"), rollout(pipeline, "bob")
    first.publish(Candidate(tags("1"), ()), Place(), "first")
    with pytest.raises(Conflict, match="alice"):
        second.publish(Candidate(tags("2"), ()), Place(), "second")
    again, late = rollout(pipeline, "alice"), rollout(pipeline, "bob")
    late.publish(Candidate(tags("3"), ()), Place(), "late")
    with pytest.raises(Conflict, match="bob"):
        again.publish(Candidate(tags("4"), ()), Place(), "again")

    table = read_rules(pipeline.settings)
    assert table.deployment.active == tags("3").digest()
    assert {each.version for each in table.published()} == {"1", "3"}
    results = [(each.actor, each.result) for each in audit(pipeline).entries()]
    assert results.count(("bob", Result.REFUSED)) == results.count(("alice", Result.REFUSED)) == 1


def test_publishers_in_parallel_leave_one_winner(pipeline: Pipeline) -> None:
    """Three threads that all saw the same deployment."""
    publishers = {version: rollout(pipeline, version) for version in "123"}
    ended: dict[str, str] = {}

    def run(version: str) -> None:
        try:
            publishers[version].publish(Candidate(tags(version), ()), Place(), "a race")
        except Conflict:
            ended[version] = "lost"
        else:
            ended[version] = "won"

    threads = [threading.Thread(target=run, args=(version,)) for version in publishers]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    [winner] = [version for version, how in ended.items() if how == "won"]
    table = read_rules(pipeline.settings)
    assert sorted(ended.values()) == ["lost", "lost", "won"]
    assert [each.version for each in table.published()] == [winner]
    assert (table.deployment.active, table.deployment.revision) == (tags(winner).digest(), 1)


def test_the_commands_say_what_they_did_and_do_it_once(pipeline: Pipeline, command, tmp_path: Path) -> None:
    """Publish, publish again, a version that is taken, another name, recall on the corpus, history, rollback."""
    pipeline.tenants("acme")
    one, two = written(tmp_path, tags("1", "", "on «ASSET-0001»")), written(tmp_path, tags("2"))
    corpus = tmp_path / "corpus.ndjson"
    label = {"start": 0, "end": 10, "type": "COMPUTER_NAME"}
    corpus.write_bytes(orjson.dumps({"id": 1, "text": TEXT, "spans": [label]}) + b"\n")
    published = [command("publish", "--rules", one, "--reason", "tags", "--author", "alice") for _ in range(2)]
    lost = command("publish", "--rules", two, "--reason", "more tags", "--corpus", corpus)
    shadow = command("publish", "--rules", two, "--reason", "more tags", "--shadow")
    one.write_text(one.read_text().replace("4}", "5}"))
    taken = command("publish", "--rules", one, "--reason", "five digits", "--force")
    other = command("publish", "--rules", written(tmp_path, tags("1", name="theirs")), "--reason", "x")
    empty = command("publish", "--rules", two, "--reason", " ")
    wrong = command("publish", "--rules", two, "--reason", "x", "--shadow", "--canary", "acme")
    back = [command("rollback", "--reason", "no") for _ in range(2)]
    listed = command("history")
    state = orjson.loads(command("history", "--json")[1])

    assert [each[0] for each in published] == [0, 0]
    assert published[0][1] == b"revision 1: mine@1 is active\n"
    assert published[1][1] == b"nothing to do; revision 1: mine@1 is active\n"
    assert lost[0] == 1
    assert b"error: COMPUTER_NAME: finds 0 of 1 in the corpus, mine@1 finds 1\n" in lost[2]
    assert shadow[:2] == (0, b"revision 2: mine@2 is shadow\n")
    assert (taken[0], b"mine@1 exists with another content" in taken[2]) == (1, True)
    assert (other[0], b"called mine, this one theirs" in other[2]) == (1, True)
    assert (empty[0], wrong[0]) == (1, 2)
    assert [each[0] for each in back] == [0, 0]
    assert back[1][1].startswith(b"nothing to do")
    assert (listed[0], b"alice" in listed[1]) == (0, True)
    assert [(each["change"], each["version"]) for each in state["steps"]] == [
        ("publish", "1"),
        ("publish", "2"),
        ("rollback", "1"),
    ]
    assert (state["shadow"], state["active"]) == ("", tags("1", "", "on «ASSET-0001»").digest())


def test_an_employees_token_names_the_author(pipeline: Pipeline, command, tmp_path: Path, monkeypatch) -> None:
    """Proven, or nothing is published; another's name is refused."""
    provider = Provider(tmp_path)
    for name in ("issuer", "audience", "jwks"):
        monkeypatch.setenv(f"RMM_SCRUB_ACCESS_{name.upper()}", getattr(provider.access, name))
    monkeypatch.setenv("RMM_SCRUB_TOKEN", provider.token("grace"))
    path, stranger = written(tmp_path, tags("1")), tmp_path / "stranger"
    stranger.mkdir()
    another = command("publish", "--rules", path, "--reason", "x", "--author", "alice")
    own = command("publish", "--rules", path, "--reason", "x")
    monkeypatch.setenv("RMM_SCRUB_TOKEN", Provider(stranger).token("grace"))
    unproven = command("rollback", "--reason", "x")

    assert (another[0], own[0], unproven[0]) == (1, 0, 1)
    [entry] = audit(pipeline).entries()
    assert (entry.actor, entry.action) == ("grace", "rules-publish")


def reload_under_load(pipeline: Pipeline, count: int, publishes: int, seconds: float) -> list[Read]:
    """So many events while sets are published one after another; what came out."""
    pipeline.tenants("acme")
    publish(pipeline, shipped_with_tags("1"))
    stop = threading.Event()
    failed: list[BaseException] = []
    made: list[int] = []

    def keep_publishing() -> None:
        try:
            for number in range(publishes):
                began = time.monotonic()
                publish(pipeline, shipped_with_tags("2341"[number % 4]))
                made.append(number)
                if stop.wait(max(0.0, began + seconds - time.monotonic())):  # its checks take seconds under load
                    return
        except BaseException as problem:  # noqa: BLE001 - the test must hear of it
            failed.append(problem)

    with pipeline.workers(2):
        publisher = threading.Thread(target=keep_publishing)
        publisher.start()
        for start in range(0, count, 1_000):
            if start + 1_000 >= count:  # the last ones find another set than the first, however slow the machine is
                pipeline.until(lambda: len(made) > 0)
                time.sleep(5.0)
            pipeline.send("raw", [event(number) for number in range(start, min(count, start + 1_000))])
        pipeline.until(pipeline.drained, 1_200)
        stop.set()
        publisher.join()
    assert failed == []
    return pipeline.read("scrubbed")


def event(number: int) -> Message:
    """An event with every version's tag, an address and a name in a field."""
    value = {"host": {"name": f"HOST-{number % 50}"}, "ip": f"10.0.0.{number % 200}", "m": f"{number} {TEXT}"}
    return record(orjson.dumps(value), key=b"%d" % (number % 500), x_seq=b"%d" % number)


def agrees(read: Read, pseudonyms: Pseudonymiser) -> bool:
    """Whether an output is wholly what the set makes of it that its header names."""
    number = int(header(read, "x-seq") or "")
    return orjson.loads(read.value) == {
        "host": {"name": pseudonyms.replace(EntityType.COMPUTER_NAME, f"HOST-{number % 50}")},
        "ip": pseudonyms.replace(EntityType.IP_ADDRESS, f"10.0.0.{number % 200}"),
        "m": expected(pseudonyms, version_of(read), f"{number} {TEXT}"),
    }


def version_of(read: Read) -> str:
    return (header(read, "scrub-ruleset") or "").removeprefix("mine@")


def check(pipeline: Pipeline, reads: list[Read], count: int) -> set[str]:
    """Every event once, each wholly by the set that its header names; the versions seen."""
    pseudonyms = Pseudonymiser(pipeline.keyring.tenant("acme"))
    assert Counter(int(header(read, "x-seq") or "") for read in reads) == Counter(range(count))
    assert [(each.partition, each.offset) for each in reads if not agrees(each, pseudonyms)] == []
    assert pipeline.read("quarantine") == []
    return {version_of(read) for read in reads}


def taken(pipeline: Pipeline, rule_set: RuleSet) -> bool:
    """Whether both workers have a set at work."""
    return all(rule_set.digest().encode() in get(pipeline, "/metrics", worker)[1] for worker in (0, 1))


def test_every_output_is_of_exactly_one_set_while_sets_are_published(pipeline: Pipeline) -> None:
    """5,000 events, three publishes with events waiting, two workers."""
    pipeline.tenants("acme")
    publish(pipeline, shipped_with_tags("1"))
    with pipeline.workers(2):
        pipeline.send("raw", [event(number) for number in range(1_000)])
        for start, version in zip((1_000, 2_000, 3_000), "234", strict=True):
            rule_set = shipped_with_tags(version)
            pipeline.send("raw", [event(number) for number in range(start, start + 1_000)])
            publish(pipeline, rule_set)
            pipeline.until(lambda wanted=rule_set: taken(pipeline, wanted))
        pipeline.send("raw", [event(number) for number in range(4_000, 5_000)])
        pipeline.until(pipeline.drained)
    reads = pipeline.read("scrubbed")

    assert {"1", "4"} <= check(pipeline, reads, 5_000)
    assert {version_of(each) for each in reads if int(header(each, "x-seq") or "") >= 4_000} == {"4"}


@pytest.mark.soak
@pytest.mark.timeout(1_800)
def test_two_hundred_thousand_events_and_a_publish_every_ten_seconds(pipeline: Pipeline) -> None:
    """The same in full."""
    reads = reload_under_load(pipeline, 200_000, 1_000, 10.0)
    assert len(check(pipeline, reads, 200_000)) > 1
