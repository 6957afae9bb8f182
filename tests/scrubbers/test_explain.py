"""Explanations: what each candidate became and why."""

from pathlib import Path

import pytest

from scrubbers import rules
from scrubbers.entities import EntityType, Known
from scrubbers.event import DocumentError
from scrubbers.explain import Candidate, Explainer, explain
from scrubbers.findings import RuleFailure
from scrubbers.trace import Fate, Source

MINE = r"""name: mine
version: "1"
recognizers:
  - name: tag
    supported_entity: COMPUTER_NAME
    context: [asset]
    patterns:
      - {name: digits, regex: '\d{4}', score: 0.2}
  - name: kiosk
    supported_entity: COMPUTER_NAME
    validator: host
    keys: true
    patterns:
      - {name: kiosk, regex: 'KIOSK\.[\w.]{2,20}', score: 0.6}
      - {name: kiosk and number, regex: 'KIOSK\.\d\d', score: 0.6}
  - name: quad
    supported_entity: IP_ADDRESS
    validator: ip
    patterns:
      - {name: quad, regex: '\d+\.\d+\.\d+\.\d+', score: 0.7}
  - name: account
    supported_entity: USER_NAME
    patterns:
      - {name: account, regex: 'u-\w+ on K', score: 0.5}
fields:
  - {name: owner, type: PERSON, paths: ["**.owner", "who.*"]}
allow:
  - {name: lobby, types: [COMPUTER_NAME], values: [kiosk.99]}
operators: {PERSON: redact, USER_NAME: keep}
"""


@pytest.fixture
def mine(tmp_path: Path) -> rules.RuleSet:
    """A rule set in which every fate can be met."""
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    return rules.load(path)


def fates(candidates: tuple[Candidate, ...]) -> list[tuple[str, str, str]]:
    """(value, pattern, fate) of each."""
    return [(each.value, each.pattern, each.fate.value) for each in candidates]


def test_a_context_word_lifts_a_score_over_the_threshold(mine: rules.RuleSet) -> None:
    """Both scores and the word are told; without the word it falls below."""
    [string] = explain(mine, "asset 4711, then far away from it in this text 4712").strings
    lifted, low = string.candidates
    assert (lifted.fate, lifted.base, lifted.score, lifted.context) == (Fate.KEPT, 0.2, 0.55, "asset")
    assert (low.fate, low.score, low.threshold, low.context) == (Fate.BELOW_THRESHOLD, 0.2, 0.4, None)


def test_a_duplicate_names_the_finding_it_is_one_of(mine: rules.RuleSet) -> None:
    """Of the same type, as high, around it."""
    [string] = explain(mine, "see KIOSK.42x").strings
    assert fates(string.candidates) == [("KIOSK.42x", "kiosk", "kept"), ("KIOSK.42", "kiosk and number", "duplicate")]
    assert string.candidates[1].by is not None
    assert (string.candidates[1].by.rule, string.candidates[1].by.end) == ("kiosk", 13)


def test_a_longer_name_takes_an_address_in(mine: rules.RuleSet) -> None:
    """Merged: the longer one stands though its score was lower."""
    [string] = explain(mine, "KIOSK.a.1.2.3.4.b").strings
    assert ("1.2.3.4", "quad", "merged") in fates(string.candidates)
    assert [each.value for each in string.candidates if each.fate is Fate.KEPT] == ["KIOSK.a.1.2.3.4.b"]


def test_an_overlap_is_lost_to_the_higher_score(mine: rules.RuleSet) -> None:
    """And says to what."""
    [string] = explain(mine, "u-bob on KIOSK.42").strings
    [lost] = [each for each in string.candidates if each.fate is Fate.OVERLAPPED]
    assert lost.rule == "account"
    assert lost.by is not None
    assert lost.by.rule == "kiosk"


def test_a_validator_that_says_no_is_named(mine: rules.RuleSet) -> None:
    """The match is shown all the same."""
    [string] = explain(mine, "version 999.1.2.3").strings
    [bad] = [each for each in string.candidates if each.rule == "quad"]
    assert (bad.fate, bad.validator, bad.becomes) == (Fate.INVALID, "ip", None)


def test_an_allow_rule_is_named(mine: rules.RuleSet) -> None:
    """The finding stands, and its value too."""
    explained = explain(mine, "at KIOSK.99 now")
    [allowed] = [each for each in explained.findings() if each.fate is Fate.ALLOWED]
    assert (allowed.value, allowed.allowed_by) == ("KIOSK.99", "lobby")
    assert explained.scrubbed == "at KIOSK.99 now"


def test_an_event_shows_fields_keys_and_what_stands_in_strings(mine: rules.RuleSet) -> None:
    """JSON Pointers, selectors, places in the whole event; the tenant's id is left alone."""
    text = '{"tenant":"KIOSK.11","who":{"a":"Jan Vos"},"KIOSK.12":"1234","m":"{\\"x\\":\\"on KIOSK.13\\"}"}'
    explained = explain(mine, text, event=True)
    by_path = {(each.path, each.is_key): each for each in explained.strings}
    owner = by_path["/who/a", False]
    assert (owner.field, owner.selector, owner.candidates[0].source) == ("owner", "who.*", Source.FIELD)
    assert owner.candidates[0].becomes == "<PERSON>"
    assert by_path["/KIOSK.12", True].candidates[0].fate is Fate.KEPT
    [nested] = [each for each in by_path["/m#/x", False].candidates if each.fate is Fate.KEPT]
    assert text[slice(*nested.place)] == "KIOSK.13"
    assert by_path["/tenant", False].spared
    assert "KIOSK.11" in explained.scrubbed
    assert "KIOSK.13" not in explained.scrubbed


def test_a_match_in_a_key_where_its_rule_does_not_look(mine: rules.RuleSet) -> None:
    """Is shown, with that reason."""
    explained = explain(mine, '{"10.1.2.3": 1}', event=True)
    assert [each.fate for each in explained.strings[0].candidates if each.rule == "quad"] == [Fate.NOT_IN_KEYS]


def test_names_that_are_known_and_names_that_it_teaches() -> None:
    """Both are found; only the new ones are told as learned."""
    known = [Known(EntityType.COMPUTER_NAME, "utica")]
    explained = explain(rules.load(), '{"host":{"name":"ithaca7"},"m":"utica to ithaca7"}', event=True, known=known)
    message = explained.strings[-1]
    assert [(each.value, each.source) for each in message.candidates if each.stands] == [
        ("utica", Source.KNOWN),
        ("ithaca7", Source.KNOWN),
    ]
    assert [each.value for each in explained.learned] == ["ithaca7"]


def test_a_value_that_its_operator_keeps_becomes_itself(mine: rules.RuleSet) -> None:
    """Kept as a finding, and as text."""
    [string] = explain(mine, "u-bob on K").strings
    assert (string.candidates[0].fate, string.candidates[0].becomes) == (Fate.KEPT, "u-bob on K")


def test_what_is_no_event_is_refused(mine: rules.RuleSet) -> None:
    """As the scrubber does."""
    with pytest.raises(DocumentError):
        explain(mine, "{", event=True)


def test_a_rule_that_does_not_end_fails(tmp_path: Path) -> None:
    """It names the rule, not the text."""
    path = tmp_path / "slow.yaml"
    path.write_text(MINE.replace(r"KIOSK\.\d\d", "(?:a|aa)+$"))
    with pytest.raises(RuleFailure, match=r"^kiosk$"):
        explain(rules.load(path), "a" * 60 + "!")


def test_nothing_of_the_input_is_in_a_repr(mine: rules.RuleSet) -> None:
    """An explanation in a log would be a leak."""
    explained = Explainer(mine).text("on KIOSK.42")
    shown = f"{explained!r} {explained.strings!r} {explained.strings[0].candidates!r}"
    assert "KIOSK" not in shown
