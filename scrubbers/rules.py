"""Rule sets as a security team writes them: YAML in, validated structs out.

Recognisers are in the format of Presidio's recogniser registry; `fields`, `allow`, `operators` and
`learning` are ours (docs/rules.md). A rule set is one file, or a folder of files that are read in order of their names.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import lru_cache
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import msgspec
import orjson
import regex

import schemas
from scrubbers import rulefiles
from scrubbers.entities import EntityType
from scrubbers.rulefiles import Flaw, RuleFile, RuleProblem

__all__ = ["Allow", "FieldRule", "Learning", "Pattern", "Recogniser", "RuleProblem", "RuleSet", "load"]

SHIPPED = Path(__file__).parent / "rules"
_LEARNING = SHIPPED / "learning.yaml"
OPEN_MARK, CLOSE_MARK = "«", "»"  # around what an example's rule must find
REGEX_FLAGS = regex.DOTALL | regex.MULTILINE | regex.IGNORECASE  # Presidio's own
UNENDED = (TimeoutError, MemoryError)  # of a match: one that calls itself may be out of memory before its time


class Pattern(msgspec.Struct, frozen=True):
    """A regular expression (of the `regex` module) and the score of its matches."""

    name: str
    regex: str
    score: float


class Recogniser(msgspec.Struct, frozen=True):
    """What finds one entity type in text; `keys` also searches JSON keys, `learn` remembers what it found."""

    name: str
    supported_entity: EntityType
    patterns: tuple[Pattern, ...] = ()
    deny_list: tuple[str, ...] = ()
    deny_list_score: float = 1.0
    context: tuple[str, ...] = ()  # words that raise the score when they stand in front
    validator: str | None = None
    keys: bool = False
    learn: bool = False
    examples: tuple[str, ...] = ()

    def all_patterns(self) -> tuple[Pattern, ...]:
        """The patterns, and the deny list as Presidio makes one of it."""
        if not self.deny_list:
            return self.patterns
        words = "|".join(regex.escape(word) for word in self.deny_list)
        return (*self.patterns, Pattern("deny_list", rf"(?:^|(?<=\W))({words})(?:(?=\W)|$)", self.deny_list_score))


class FieldRule(msgspec.Struct, frozen=True):
    """Fields that are known to carry an entity type: dotted paths, `*` for one name, `**` for any number."""

    name: str
    type: EntityType
    paths: tuple[str, ...]
    learn: bool = False


class Allow(msgspec.Struct, frozen=True):
    """What passes though it was found: whole values, patterns over the whole value, hosts and addresses.

    `domains` are services': their own hosts pass, not those of their customers (Public Suffix List,
    private section), nor those of their offices. `networks` are in CIDR notation.
    """

    name: str
    types: tuple[EntityType, ...]
    values: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()


class Learning(msgspec.Struct, frozen=True):
    """Which names are learned: of at least `shortest` characters, and none of `never` (lower case).

    A person's name has two to `longest_words` words, and not all of them in `never`.
    """

    shortest: int = 3
    longest_words: int = 4
    never: frozenset[str] = frozenset()


class RuleSet(msgspec.Struct, frozen=True):
    """Everything that decides what is found and what it becomes."""

    name: str
    version: str
    recognizers: tuple[Recogniser, ...] = ()
    fields: tuple[FieldRule, ...] = ()
    allow: tuple[Allow, ...] = ()
    operators: dict[EntityType, str] = {}
    thresholds: dict[EntityType, float] = {}
    learning: Learning = Learning()

    @property
    def identity(self) -> str:
        """`name@version`, as outputs carry it."""
        return f"{self.name}@{self.version}"

    def digest(self) -> str:
        """SHA-256 of the canonical form: two rule sets with the same digest find the same."""
        tree = msgspec.to_builtins(self, str_keys=True, order="sorted")  # sets have no order of their own
        return hashlib.sha256(orjson.dumps(tree, option=orjson.OPT_SORT_KEYS)).hexdigest()


def load(path: Path | None = None) -> RuleSet:
    """The rule set in a file or folder; the shipped one by default.

    Raises:
        RuleProblem: it cannot be read, or breaks the schema, with the place of every problem.
    """
    return _shipped() if path is None else _load(path)


@lru_cache(maxsize=1)
def _shipped() -> RuleSet:
    return _load(SHIPPED)


def _load(path: Path) -> RuleSet:
    return assemble(rulefiles.read(path), str(path))


def assemble(files: Sequence[RuleFile], whole: str) -> RuleSet:
    """The rule set that files make in this order; flaws of it as a whole are those of a file called `whole`.

    Raises:
        RuleProblem: it breaks the schema, with the place of every problem.
    """
    merged: dict[str, Any] = {}
    flaws: list[Flaw] = []
    names: set[str] = set()
    for file in files:
        flaws += _flaws(file, names)
        if not flaws:
            _merge(merged, file.tree)
    if flaws:
        raise RuleProblem(flaws, "docs/rules.md describes the format")
    for required in ("name", "version"):
        if required not in merged:
            raise RuleProblem([Flaw(whole, 0, f"the rule set has no {required}")])
    if "learning" not in merged:  # a set that says nothing of it must not learn `server` and shred text
        merged["learning"] = rulefiles.read_file(_LEARNING).tree["learning"]
    merged["recognizers"] = [_plain(rule) for rule in merged.get("recognizers", ()) if rule.get("enabled", True)]
    return msgspec.convert(merged, RuleSet)


def _plain(rule: dict[str, Any]) -> dict[str, Any]:
    """A recogniser with the context words of all its languages: our texts say not which they are in."""
    words = list(rule.get("context", ()))
    for language in rule.get("supported_languages", ()):
        words += language.get("context", ()) if isinstance(language, dict) else ()
    return {**rule, "context": list(dict.fromkeys(words))}


def _flaws(file: RuleFile, names: set[str]) -> list[Flaw]:
    """What is wrong in a file; `names` are those of the rules before it, and get its own."""
    if broken := _breaches(file):
        return list(broken)
    found = [*_bad_expressions(file.tree), *_names_used_twice(file.tree, names)]
    flaws = [_flaw(file, place, message) for place, message in found]
    twice = (Flaw(str(file.path), line, f"{name}: is written twice") for line, name in file.members_written_twice())
    return sorted([*flaws, *twice])


@lru_cache(maxsize=64)  # most of the time it takes to read a file: see `rulefiles.parse`
def _breaches(file: RuleFile) -> tuple[Flaw, ...]:
    """Where a file breaks the schema."""
    return tuple(
        sorted(_flaw(file, _steps(each.pointer), each.message) for each in schemas.check("rule-set", file.tree))
    )


def _flaw(file: RuleFile, place: Sequence[str | int], message: str) -> Flaw:
    return Flaw(str(file.path), file.line(place), f"{_pointer(place)}: {message}")


def _names_used_twice(tree: dict[str, Any], names: set[str]) -> Iterator[tuple[list[str | int], str]]:
    """Findings carry a rule's name: recognisers, fields and allow rules must be told apart by it."""
    for kind in ("recognizers", "fields", "allow"):
        for index, rule in enumerate(tree.get(kind, ())):
            if rule["name"] in names:
                yield [kind, index, "name"], "another rule has this name"
            names.add(rule["name"])


def _bad_expressions(tree: dict[str, Any]) -> Iterator[tuple[list[str | int], str]]:
    for index, rule in enumerate(tree.get("recognizers", ())):
        for number, pattern in enumerate(rule.get("patterns", ())):
            if (problem := _regex_problem(pattern["regex"])) is not None:
                yield ["recognizers", index, "patterns", number, "regex"], problem
        for number, example in enumerate(rule.get("examples", ())):
            if example.count(OPEN_MARK) != example.count(CLOSE_MARK):
                yield ["recognizers", index, "examples", number], "every « needs its »"
    yield from _bad_allow_rules(tree)


def _bad_allow_rules(tree: dict[str, Any]) -> Iterator[tuple[list[str | int], str]]:
    for index, rule in enumerate(tree.get("allow", ())):
        for number, expression in enumerate(rule.get("patterns", ())):
            if (problem := _regex_problem(expression)) is not None:
                yield ["allow", index, "patterns", number], problem
        for number, network in enumerate(rule.get("networks", ())):
            if not _is_network(network):
                yield ["allow", index, "networks", number], "not a network, such as 10.20.0.0/16"


def _regex_problem(expression: str) -> str | None:
    try:
        regex.compile(expression, REGEX_FLAGS)
    except regex.error as problem:
        return f"not a regular expression: {problem.msg} at position {problem.pos}"
    return None


def _is_network(text: str) -> bool:
    try:
        ip_network(text)
    except ValueError:
        return False
    return True


def _steps(pointer: str) -> list[str | int]:
    return [int(step) if step.isdigit() else step for step in pointer.split("/")[1:]]


def _pointer(place: Sequence[str | int]) -> str:
    return ".".join(str(step) for step in place) or "top"


def _merge(merged: dict[str, Any], tree: dict[str, Any]) -> None:
    for key, value in tree.items():
        if isinstance(value, list):
            merged.setdefault(key, []).extend(value)
        elif isinstance(value, dict):
            _merge(merged.setdefault(key, {}), value)
        else:
            merged[key] = value
