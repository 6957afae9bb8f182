"""Thresholds, allow rules and overlaps: how matches become findings."""

import time

import msgspec
import pytest
import regex

from scrubbers.compiled import CompiledRules, without_duplicates
from scrubbers.entities import EntityType, Finding
from scrubbers.findings import RuleFailure, Settler, resolved
from scrubbers.rules import Allow, Pattern, Recogniser, RuleSet

NAME, ADDRESS = EntityType.COMPUTER_NAME, EntityType.IP_ADDRESS


def rule_set(**parts: object) -> RuleSet:
    """A rule set with only these parts."""
    return msgspec.structs.replace(RuleSet("mine", "1"), **parts)


def found(start: int, end: int, score: float = 0.8, kind: EntityType = NAME, rule: str = "r") -> Finding:
    """A finding."""
    return Finding(start, end, kind, score, rule)


def test_of_two_that_overlap_the_higher_score_stands() -> None:
    """Whatever their lengths."""
    long, sure = found(0, 20, 0.5, EntityType.PERSON), found(5, 9, 0.9, ADDRESS)
    assert resolved([long, sure]) == [sure]


def test_of_equal_scores_the_longer_stands_then_the_earlier() -> None:
    """So that no half of a name is left."""
    assert resolved([found(4, 8), found(0, 9)]) == [found(0, 9)]
    assert resolved([found(2, 6), found(0, 4)]) == [found(0, 4)]


def test_a_name_inside_a_longer_name_gives_way_to_it() -> None:
    """A known domain in an unknown host's name, or in an e-mail address: the rest would be left standing."""
    host, mail = found(0, 18, 0.5), found(0, 18, 0.5, EntityType.EMAIL_ADDRESS)
    domain = found(5, 18, 1.0, EntityType.DOMAIN_NAME)
    assert resolved([host, domain]) == [host]
    assert resolved([mail, domain]) == [mail]


def test_an_address_inside_a_name_gives_way_to_it() -> None:
    """`10-1-2-3.dsl.customer.example`: the rest names the line's owner."""
    assert resolved([found(0, 20, 0.5), found(3, 11, 0.9, ADDRESS)]) == [found(0, 20, 0.5)]


def test_an_address_that_is_all_of_a_name_stays_an_address() -> None:
    """So that it joins with the address elsewhere; whatever came first."""
    name, address = found(0, 20, 0.5), found(0, 20, 0.9, ADDRESS)
    assert resolved([name, address]) == resolved([address, name]) == [address]


def test_many_findings_are_settled_in_a_moment() -> None:
    """A record of the largest size that holds nothing but addresses."""
    many = [found(at, at + 8, 0.7, ADDRESS) for at in range(0, 600_000, 10)]
    began = time.monotonic()
    assert resolved(many) == many
    assert without_duplicates(many) == many
    assert time.monotonic() - began < 5


def test_neighbours_both_stand_in_the_order_of_the_text() -> None:
    """Touching is not overlapping."""
    assert resolved([found(4, 8), found(0, 4)]) == [found(0, 4), found(4, 8)]


def test_a_finding_below_the_threshold_of_its_type_is_dropped() -> None:
    """0.4 unless the rule set says otherwise."""
    settler = Settler(rule_set(thresholds={ADDRESS: 0.7}))
    weak = [found(0, 2, 0.39), found(3, 5, 0.69, ADDRESS)]
    strong = [found(6, 8, 0.4), found(9, 11, 0.7, ADDRESS)]
    assert settler.settle("x" * 12, [*weak, *strong]) == strong


def test_what_an_allow_rule_lets_through_is_marked_and_stays() -> None:
    """Values in any case, patterns over the whole value, only for the rule's types."""
    settler = Settler(rule_set(allow=(Allow("a", (NAME,), ("Gateway",), (r"pub\d+",)),)))
    text = "gateway pub12 pub12x gateway"
    marks = [found(0, 7), found(8, 13), found(14, 20), found(21, 28, kind=ADDRESS)]
    assert [each.allowed for each in settler.settle(text, marks)] == [True, True, False, False]


def test_an_allow_rule_that_does_not_end_is_a_failure() -> None:
    """Named by the rule, without the text."""
    settler = Settler(rule_set(allow=(Allow("endless", (NAME,), patterns=(r"(?:a|aa)+b",)),)))
    with pytest.raises(RuleFailure, match=r"^endless$"):
        settler.settle("a" * 80, [found(0, 80)])


def test_an_allowed_name_does_not_cover_a_known_one() -> None:
    """What passes may hold something that must not."""
    public = Finding(0, 20, EntityType.COMPUTER_NAME, 0.7, "public-host", allowed=True)
    known = Finding(0, 6, EntityType.COMPUTER_NAME, 1.0, "known-entity")
    assert resolved([public, known]) == [known]


def test_what_passes_takes_nothing_with_it_that_does_not() -> None:
    """A customer's address in front of a vendor's name."""
    settler = Settler(rule_set(allow=(Allow("vendor", (NAME,), patterns=(r".*\.vendor\.example",)),)))
    name, address = found(0, 23, 0.5), found(0, 8, 0.7, ADDRESS)
    assert settler.settle("10.1.2.3.vendor.example", [name, address]) == [address]


def test_a_services_own_hosts_pass_and_its_customers_and_offices_do_not() -> None:
    """By the private section of the Public Suffix List, and by labels such as `corp`."""
    settler = Settler(rule_set(allow=(Allow("services", (NAME,), domains=("microsoft.com", "windows.net")),)))

    def passes(host: str) -> bool:
        [finding] = settler.settle(host, [found(0, len(host))])
        return finding.allowed

    assert passes("ctldl.update.Microsoft.com.")
    assert passes("microsoft.com")
    assert not passes("pc7.corp.microsoft.com")
    assert not passes("shop.blob.core.windows.net")
    assert not passes("notmicrosoft.com")
    assert not passes("microsoft.com.shop.example")


def test_addresses_of_an_allowed_network_pass() -> None:
    """In any spelling."""
    settler = Settler(rule_set(allow=(Allow("ours", (ADDRESS,), networks=("10.9.0.0/16", "fd00::/8")),)))
    for address, passes in (("10.9.8.7", True), ("::ffff:10.9.8.7", True), ("fd00::1", True), ("10.8.0.1", False)):
        [finding] = settler.settle(address, [found(0, len(address), kind=ADDRESS)])
        assert finding.allowed is passes


class _OutOfMemory:
    """What an expression may end as that calls itself."""

    def match(self, *_: object, **__: object) -> None:
        raise MemoryError

    fullmatch = finditer = match


def test_an_expression_that_runs_out_of_memory_fails_as_one_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a rule, or of an allow rule: its record is quarantined, and the worker goes on."""
    monkeypatch.setattr(regex, "compile", lambda *_: _OutOfMemory())
    own = Recogniser("own", NAME, (Pattern("own", "utica", 1.0),))
    with pytest.raises(RuleFailure, match="own"):
        CompiledRules(rule_set(recognizers=(own,))).find("utica")
    with pytest.raises(RuleFailure, match="ours"):
        Settler(rule_set(allow=(Allow("ours", (NAME,), patterns=("utica",)),))).allowing("utica", found(0, 5))
