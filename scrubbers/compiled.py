"""Rule set → compiled detector: a multi-pattern prefilter, then exact matching only where it fires.

The findings are those of the reference engine (Presidio) over the same rules; tests hold the two equal.
Hyperscan sees each expression without its look-arounds, which can only widen what it matches: so it says
which expressions may match somewhere in the text, and the `regex` module says where they do.
"""

from collections.abc import Sequence

import hyperscan
import msgspec
import regex

from scrubbers.entities import EntityType, Finding
from scrubbers.findings import RuleFailure, Settler
from scrubbers.rules import REGEX_FLAGS, Recogniser, RuleSet
from scrubbers.validators import VALIDATORS, Validator

# Longer than any honest expression takes on a record of the largest size; a batch stays inside its budget.
MATCH_SECONDS = 1.0
_HS_FLAGS = (
    hyperscan.HS_FLAG_SINGLEMATCH
    | hyperscan.HS_FLAG_CASELESS
    | hyperscan.HS_FLAG_DOTALL
    | hyperscan.HS_FLAG_MULTILINE
    | hyperscan.HS_FLAG_PREFILTER
    | hyperscan.HS_FLAG_ALLOWEMPTY
    | hyperscan.HS_FLAG_UTF8
)


class _Expression(msgspec.Struct, frozen=True):
    recogniser: int
    name: str
    type: EntityType
    score: float
    pattern: regex.Pattern
    validator: Validator | None
    keys: bool


class CompiledRules:
    """A rule set ready to search texts."""

    def __init__(self, rules: RuleSet) -> None:
        self.rules = rules
        self._settler = Settler(rules)
        self._expressions = [
            each for number, recogniser in enumerate(rules.recognizers) for each in _expressions(number, recogniser)
        ]
        self._database, self._always = _database([each.pattern.pattern for each in self._expressions])
        self._scratch = hyperscan.Scratch(self._database) if self._database is not None else None

    def find(self, text: str, *, keys: bool = False) -> list[Finding]:
        """What the recognisers find in a text; in JSON keys only those that are sure of themselves there.

        Raises:
            RuleFailure: an expression did not end in its time.
        """
        found: dict[int, list[Finding]] = {}
        for number in self._candidates(text):
            expression = self._expressions[number]
            if not keys or expression.keys:
                for finding in _matches(expression, text):
                    found.setdefault(expression.recogniser, []).append(finding)
        if not found:
            return []
        each = [finding for group in found.values() for finding in without_duplicates(group)]
        return self._settler.settle(text, without_duplicates(each))

    def _candidates(self, text: str) -> list[int]:
        """The expressions that may match, in the order of the rules."""
        if self._database is None:
            return self._always
        fired: list[int] = list(self._always)

        def on_match(number: int, start: int, end: int, flags: int, context: object) -> None:  # noqa: ARG001
            fired.append(number)

        self._database.scan(text.encode("utf-8", "surrogatepass"), match_event_handler=on_match, scratch=self._scratch)
        fired.sort()
        return fired


def without_duplicates(found: Sequence[Finding]) -> list[Finding]:
    """As Presidio does it: a finding inside another of its type with an equal or higher score goes."""
    if len(found) < 2:
        return list(found)
    kept: list[Finding] = []
    for each in sorted(found, key=lambda one: (one.type, one.start, one.start - one.end, -one.score)):
        inside = any(
            other.type is each.type
            and other.start <= each.start
            and each.end <= other.end
            and each.score <= other.score
            for other in kept
        )
        if not inside:
            kept.append(each)
    return kept


def _matches(expression: _Expression, text: str) -> list[Finding]:
    try:
        spans = [match.span() for match in expression.pattern.finditer(text, timeout=MATCH_SECONDS)]
    except TimeoutError:
        raise RuleFailure(expression.name) from None
    return [
        Finding(start, end, expression.type, expression.score, expression.name)
        for start, end in spans
        if start < end and (expression.validator is None or expression.validator(text[start:end]))
    ]


def _expressions(number: int, recogniser: Recogniser) -> list[_Expression]:
    validator = VALIDATORS[recogniser.validator] if recogniser.validator else None
    return [
        _Expression(
            number,
            recogniser.name,
            recogniser.supported_entity,
            pattern.score,
            regex.compile(pattern.regex, REGEX_FLAGS),
            validator,
            recogniser.keys,
        )
        for pattern in recogniser.all_patterns()
    ]


def _database(expressions: Sequence[str]) -> tuple[hyperscan.Database | None, list[int]]:
    """The prefilter, and the expressions that it cannot take: those are always tried."""
    taken: list[tuple[int, str | None]] = []
    always: list[tuple[int, str | None]] = []
    for number, expression in enumerate(expressions):
        widened = widen(expression)
        (taken if widened is not None and _compiles(widened) else always).append((number, widened))
    if not taken:
        return None, [number for number, _ in always]
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    database.compile(
        expressions=[str(widened).encode() for _, widened in taken],
        ids=[number for number, _ in taken],
        flags=[_HS_FLAGS] * len(taken),
    )
    return database, [number for number, _ in always]


def _compiles(expression: str) -> bool:
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    try:
        database.compile(expressions=[expression.encode()], ids=[0], flags=[_HS_FLAGS])
    except hyperscan.error:
        return False
    return True


_LOOK_AROUND = ("(?=", "(?!", "(?<=", "(?<!")


def widen(expression: str) -> str | None:
    """The expression without look-arounds, `\\K`, anchors and scoped flags: it matches at least as much.

    None where that cannot be told (back-references, conditionals, atomic or recursive groups).
    """
    pieces: list[str] = []
    position = 0
    while position < len(expression):
        rest = expression[position:]
        if rest.startswith(_LOOK_AROUND):
            position += _group_length(rest)
        elif rest.startswith(("(?-i:", "(?i:")):
            pieces.append("(?:")
            position += rest.index(":") + 1
        elif rest.startswith(("(?P<", "(?P=", "(?>", "(?(", "(?R", "(?|")):
            return None
        elif rest.startswith("\\"):
            if rest[1:2].isdigit():
                return None
            pieces.append("" if rest[1:2] in ("K", "b", "B", "A", "Z") else rest[:2])
            position += 2
        elif rest.startswith("["):
            length = _class_length(rest)
            pieces.append(rest[:length])
            position += length
        else:
            pieces.append("" if rest[0] in "^$" else rest[0])
            position += 1
    return "".join(pieces)


def _group_length(text: str) -> int:
    """The length of the group that `text` begins with."""
    depth = position = 0
    while position < len(text):
        if text[position] == "\\":
            position += 1
        elif text[position] == "[":
            position += _class_length(text[position:]) - 1
        elif text[position] == "(":
            depth += 1
        elif text[position] == ")":
            depth -= 1
            if depth == 0:
                return position + 1
        position += 1
    return len(text)


def _class_length(text: str) -> int:
    """The length of the character class that `text` begins with."""
    position = 2 if text[1:2] == "^" else 1
    position += text[position : position + 1] == "]"
    while position < len(text) and text[position] != "]":
        position += 2 if text[position] == "\\" else 1
    return position + 1
