"""Published rule sets: whole, checked, and refused where they cannot be used."""

from hashlib import sha256

import msgspec
import orjson
import pytest

import schemas
from scrubbers import rules
from scrubbers.entities import EntityType
from scrubbers.published import RuleSetRefused, SourceFile, Unusable, compiled, pack, source_files, unpack
from scrubbers.rules import Pattern, Recogniser, RuleSet
from tests.rule_sets import published, tags, written


def refusal(content: bytes, digest: str | None = None) -> Unusable:
    """Why a published set with this content is refused."""
    whole = published(tags("1"))
    altered = msgspec.structs.replace(whole, content=msgspec.Raw(content), digest=digest or whole.digest)
    with pytest.raises(RuleSetRefused) as caught:
        compiled(unpack(altered))
    return caught.value.why


def with_digest(rule_set: RuleSet) -> Unusable:
    """Why a rule set is refused that was published as it is."""
    with pytest.raises(RuleSetRefused) as caught:
        compiled(unpack(published(rule_set)))
    return caught.value.why


def test_what_is_published_comes_back_equal() -> None:
    """The shipped rule set, over the topic's own form."""
    value = msgspec.json.encode(pack(rules.load(), source_files(rules.SHIPPED), "alice", "why", "2026-01-01T00:00:00Z"))
    read = msgspec.json.decode(value, type=type(published(tags("1"))))

    assert unpack(read) == rules.load()
    assert read.digest == rules.load().digest()
    assert [each.name for each in read.source] == sorted(path.name for path in rules.SHIPPED.glob("*.yaml"))
    assert schemas.check("published-rule-set", orjson.loads(value)) == []


def test_another_content_than_the_digest_says_is_refused() -> None:
    """Altered, or cut off."""
    content = bytes(published(tags("1")).content)
    assert refusal(content.replace(b"ASSET", b"OTHER")) is Unusable.ALTERED
    assert refusal(content[:-1]) is Unusable.UNREADABLE


def test_what_newer_software_would_say_is_refused_not_left_out() -> None:
    """A member that this version does not know."""
    tree = orjson.loads(bytes(published(tags("1")).content)) | {"fuzzy": True}
    content = orjson.dumps(tree, option=orjson.OPT_SORT_KEYS)
    whole = published(tags("1"))
    assert refusal(content, sha256(content).hexdigest()) is Unusable.UNREADABLE
    assert refusal(bytes(whole.content), "0" * 64) is Unusable.ALTERED


def test_a_set_that_does_not_work_is_refused_before_it_is_used() -> None:
    """A broken expression, in a rule or in what is allowed; an operator that its type cannot be given."""
    bad_allow = msgspec.structs.replace(tags("1"), allow=(rules.Allow("a", (EntityType.IP_ADDRESS,), patterns=("(",)),))
    bad_operator = msgspec.structs.replace(tags("1"), operators={EntityType.PERSON: "ipcrypt-ndx"})

    assert with_digest(tags("1", "(")) is Unusable.EXPRESSION
    assert with_digest(bad_allow) is Unusable.EXPRESSION
    assert with_digest(bad_operator) is Unusable.OPERATOR


def test_a_refusal_names_the_rule() -> None:
    """So that its author finds it."""
    rule = Recogniser("broken", EntityType.PERSON, (Pattern("p", "[", 0.5),))
    with pytest.raises(RuleSetRefused, match="broken"):
        compiled(RuleSet("mine", "1", (rule,)))


def test_a_folders_files_travel_as_they_were_written(tmp_path) -> None:
    """With their comments, in the order they are read."""
    path = written(tmp_path, tags("1"))
    assert source_files(path) == source_files(tmp_path) == (SourceFile(path.name, path.read_text()),)
