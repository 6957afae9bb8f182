"""Which fields are known to carry what: the shipped selectors, and how selectors match."""

from fnmatch import fnmatchcase
from pathlib import Path

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scrubbers import rules, selectors
from scrubbers.compiled import CompiledRules
from scrubbers.entities import EntityType
from scrubbers.rules import FieldRule
from scrubbers.selectors import Selectors

SHIPPED = Selectors(rules.load().fields)
NAME, ADDRESS = EntityType.COMPUTER_NAME, EntityType.IP_ADDRESS


def kind(path: str) -> EntityType | None:
    """The entity type of a dotted path, by the shipped rules."""
    found = SHIPPED.match(tuple(path.split(".")))
    return found.type if found is not None else None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("winlog.computer_name", NAME),
        ("winlog.event_data.WorkstationName", NAME),
        ("winlog.event_data.IpAddress", ADDRESS),
        ("winlog.event_data.SubjectUserName", EntityType.USER_NAME),
        ("winlog.event_data.SubjectDomainName", EntityType.DOMAIN_NAME),
        ("Hostname", NAME),
        ("SourceHostname", NAME),
        ("DestinationIp", ADDRESS),
        ("QueryName", NAME),
        ("@otlp.host.name", NAME),
        ("@otlp.host.ip", ADDRESS),
        ("@otlp.network.peer.address", NAME),
        ("agent.ip", ADDRESS),
        ("data.srcip", ADDRESS),
        ("predecoder.hostname", NAME),
        ("{HOST.NAME}", NAME),
        ("result.hosts.*.host", NAME),
        ("result.interfaces.*.ip", ADDRESS),
        ("alerts.*.labels.instance", NAME),
        ("alerts.*.generatorURL", NAME),
        ("local_ips", ADDRESS),
        ("logged_in_username", EntityType.USER_NAME),
        ("content.networks.*.ipaddress", ADDRESS),
        ("content.networks.*.mac", EntityType.MAC_ADDRESS),
        ("$key", NAME),
        ("$headers.host", NAME),
    ],
)
def test_fields_of_the_usual_tools_are_known(path: str, expected: EntityType) -> None:
    """Winlogbeat, Sysmon, OTLP, Wazuh, Zabbix, Alertmanager, Tactical RMM, GLPI, Kafka's own."""
    assert kind(path) is expected


@pytest.mark.parametrize(
    "path", ["name", "process.name", "rule.name", "source", "event.action", "labels.alertname", "$headers.x"]
)
def test_ambiguous_names_are_not(path: str) -> None:
    """A `name` can be anything's."""
    assert kind(path) is None


def test_ecs_identifier_fields_are_known_and_are_no_hosts_themselves(shared: Path) -> None:
    """Every address of ECS; and no name of a field is taken for a host."""
    groups = orjson.loads((shared / "vectors/ecs_identifier_fields.json").read_bytes())["groups"]
    engine = CompiledRules(rules.load())
    assert {kind(path) for path in groups["ip"]} == {ADDRESS}
    assert {kind(path) for path in groups["mac"]} == {EntityType.MAC_ADDRESS}
    unknown = {path for path in groups["hostname"] + groups["email"] if kind(path) is None}
    # A certificate's common name is as often a person's or a company's; a top-level domain is nobody's.
    assert {path for path in unknown if not path.endswith(("common_name", "top_level_domain"))} == set()
    assert [path for paths in groups.values() for path in paths if engine.find(path, keys=True)] == []


def test_the_first_rule_counts() -> None:
    """Whether it was written exactly or with wildcards."""
    first, second = FieldRule("first", NAME, ("a.*",)), FieldRule("second", ADDRESS, ("**.b",))
    assert Selectors([first, second]).match(("a", "b")) is first
    assert Selectors([second, first]).match(("a", "b")) is second


def test_stars_match_one_name_or_any_number() -> None:
    """`*` is not nothing, `**` can be."""
    one, many = FieldRule("one", NAME, ("a.*.c",)), FieldRule("many", ADDRESS, ("x.**.y",))
    match = Selectors([one, many]).match
    assert match(("a", "c")) is None
    assert match(("a", "b", "c")) is one
    assert match(("x", "y")) is many
    assert match(("x", "1", "2", "y")) is many


def test_two_stars_at_the_end_take_all_that_is_inside() -> None:
    """And the field itself: any number is none, too."""
    inside = FieldRule("inside", NAME, ("device.**",))
    match = Selectors([inside]).match
    assert [match(path) for path in [("device",), ("device", "a"), ("device", "a", "*", "b")]] == [inside] * 3
    assert match(("x", "device")) is None


_NAMES = st.text("ab", min_size=1, max_size=4)
_WILD = st.lists(st.one_of(st.just("**"), st.text("ab*", min_size=1, max_size=4).filter(lambda name: "**" not in name)))


@given(_WILD.filter(bool), st.lists(_NAMES, min_size=1, max_size=6))
@example(["**", "a", "**", "a", "b"], ["a", "a", "a", "b"])
@example(["a*ab"], ["aabab"])
def test_selectors_match_what_their_stars_say(selector: list[str], path: list[str]) -> None:
    """Held against the plain definition, tried in every way."""
    found = Selectors([FieldRule("f", NAME, (".".join(selector),))]).match(tuple(path))
    assert (found is not None) == matches(selector, path)


def matches(selector: list[str], path: list[str]) -> bool:
    """Whether a selector matches, by definition."""
    if not selector:
        return not path
    if selector[0] == "**":
        return any(matches(selector[1:], path[count:]) for count in range(len(path) + 1))
    return bool(path) and fnmatchcase(path[0], selector[0]) and matches(selector[1:], path[1:])


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("selector", "path"),
    [
        ("**." * 12 + "x", ("a",) * 60),
        ("**.a.**.a.**.a.x", ("a." * 200_000,)),
        ("*a*a*a*a*a*b", ("a" * 500_000,)),
        ("**.a*a*b.**.c", ("a" * 500_000, "c")),
    ],
)
def test_no_name_that_a_sender_makes_up_stalls_a_worker(selector: str, path: tuple[str, ...]) -> None:
    """Nothing watches the time of selectors: none may take more than about the path's length."""
    assert Selectors([FieldRule("f", NAME, (selector,))]).match(path) is None


def test_the_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that makes up field names does not fill the memory."""
    monkeypatch.setattr(selectors, "CACHED_PATHS", 2)
    own = Selectors([FieldRule("ip", ADDRESS, ("**.ip",))])
    found = [own.match((name, "ip")) for name in "abcde"]
    assert None not in found
    assert len(own._cache) <= 2
