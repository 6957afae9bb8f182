"""A rule set as it is published: its content whole, who published it and why; and back to rules, checked.

The content is the canonical form of `rules.RuleSet`, so that the digest is over what decides the findings; the files
as they were written travel beside it, for people.
"""

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import orjson
import regex

import schemas
from schemas.errors import UserError
from scrubbers.compiled import CompiledRules
from scrubbers.keyring import Keyring, TenantKeys
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.rulefiles import SourceFile
from scrubbers.rules import REGEX_FLAGS, RuleSet

_TENANT = "trial"


class Unusable(StrEnum):
    """Why a published rule set cannot be used."""

    MISSING = "it is not on the rules topic"
    UNREADABLE = "it is no rule set of this software's version"
    ALTERED = "its digest is not that of its content"
    EXPRESSION = "an expression does not compile"
    OPERATOR = "an operator is unknown here, or not one for its entity type"
    COMPILATION = "it does not compile"
    FAILING = "it kept failing in shadow"


class RuleSetRefused(Exception):
    """A rule set that cannot be used; `where` is a place in it or the name of a rule, never a text of an event."""

    def __init__(self, why: Unusable, where: str = "") -> None:
        super().__init__(f"{why}: {where}" if where else str(why))
        self.why = why
        self.where = where


class PublishedRuleSet(msgspec.Struct, frozen=True):
    """Value of a record on the rules topic under `name@digest` (`schemas/published-rule-set.schema.json`).

    `time` is RFC 3339; `forced` names the checks that failed when it was published all the same.
    """

    name: str
    version: str
    digest: str
    author: str
    reason: str
    time: str
    content: msgspec.Raw
    source: tuple[SourceFile, ...] = ()
    forced: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Its key on the topic."""
        return f"{self.name}@{self.digest}"

    @property
    def identity(self) -> str:
        """`name@version`, as outputs carry it."""
        return f"{self.name}@{self.version}"


def pack(
    rules: RuleSet, source: Sequence[SourceFile], author: str, reason: str, time: str, forced: Sequence[str] = ()
) -> PublishedRuleSet:
    """A rule set made ready to be published."""
    tree = msgspec.to_builtins(rules, str_keys=True, order="sorted")
    content = msgspec.Raw(orjson.dumps(tree, option=orjson.OPT_SORT_KEYS))
    return PublishedRuleSet(
        rules.name, rules.version, rules.digest(), author, reason, time, content, tuple(source), tuple(forced)
    )


def unpack(published: PublishedRuleSet) -> RuleSet:
    """The rule set that was published.

    Raises:
        RuleSetRefused: its content is not that of its digest, or not a rule set as this software knows them.
    """
    try:
        tree = orjson.loads(bytes(published.content))
    except orjson.JSONDecodeError:
        raise RuleSetRefused(Unusable.UNREADABLE) from None
    canonical = orjson.dumps(tree, option=orjson.OPT_SORT_KEYS)
    if hashlib.sha256(canonical).hexdigest() != published.digest:
        raise RuleSetRefused(Unusable.ALTERED)
    # What newer software would add is unknown to the schema: better refused than left out in silence.
    if violations := schemas.check("rule-set", _without_empty(tree)):
        raise RuleSetRefused(Unusable.UNREADABLE, violations[0].pointer)
    try:
        rules = msgspec.convert(tree, RuleSet)
    except msgspec.ValidationError:
        raise RuleSetRefused(Unusable.UNREADABLE) from None
    if (rules.name, rules.version) != (published.name, published.version):
        raise RuleSetRefused(Unusable.ALTERED, "name, version")
    return rules


def compiled(rules: RuleSet) -> CompiledRules:
    """The rule set's detector, once all of it is known to work.

    Raises:
        RuleSetRefused: an expression, an operator or the whole does not.
    """
    for name, expression in _expressions(rules):
        try:
            regex.compile(expression, REGEX_FLAGS)
        except regex.error:
            raise RuleSetRefused(Unusable.EXPRESSION, name) from None
    try:
        Pseudonymiser(_trial_keys(), rules.operators)
    except UserError:
        raise RuleSetRefused(Unusable.OPERATOR) from None
    try:
        return CompiledRules(rules)
    except Exception as problem:  # noqa: BLE001 - whatever it is, the set cannot be used and the one at work stays
        raise RuleSetRefused(Unusable.COMPILATION, type(problem).__name__) from None


def source_files(path: Path) -> tuple[SourceFile, ...]:
    """The files of a rule set as they are on disk, for people who read it later.

    Raises:
        UserError: a file cannot be read.
    """
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    try:
        return tuple(SourceFile(file.name, file.read_text(encoding="utf-8")) for file in files)
    except (OSError, UnicodeDecodeError):
        raise UserError(f"{path}: cannot be read") from None


def _expressions(rules: RuleSet) -> list[tuple[str, str]]:
    found = [(each.name, pattern.regex) for each in rules.recognizers for pattern in each.all_patterns()]
    return found + [(each.name, pattern) for each in rules.allow for pattern in each.patterns]


def _without_empty(tree: Any) -> Any:
    """The canonical form without the members that stand for `not given`: as a file would have it."""
    if isinstance(tree, dict):
        return {name: _without_empty(each) for name, each in tree.items() if each is not None and each != []}
    return [_without_empty(each) for each in tree] if isinstance(tree, list) else tree


@cache
def _trial_keys() -> TenantKeys:
    ring = Keyring.throwaway()
    ring.add_tenant(_TENANT)
    return ring.tenant(_TENANT)
