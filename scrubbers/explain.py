"""Why a text or an event is scrubbed as it is: every candidate, what became of it, and what stands there after.

The result holds values of the input: it is for whoever gave the input, and goes into no log.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import msgspec

from schemas.errors import UserError
from scrubbers.entities import EntityType, Finding, Known
from scrubbers.event import DocumentError, Edit, look_up, parse, pointers, raw_edits, splice
from scrubbers.findings import RuleFailure
from scrubbers.keyring import Keyring, TenantKeys
from scrubbers.known import KnownEntities
from scrubbers.people import People
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.reading import Document, Leaf, NotText, learned, read_document, read_leaf
from scrubbers.recognise import Recogniser
from scrubbers.rules import RuleSet
from scrubbers.scrub import Bounds, Editor, tenant_member
from scrubbers.trace import Fate, FieldMatch, Source, Traced, Tracer

THROWAWAY = "explained"  # tenant of a key that only this process has
_Place = Callable[[int, int], tuple[int, int]]


class Rival(msgspec.Struct, frozen=True):
    """The finding that took a candidate's place; offsets into the same string."""

    rule: str
    type: EntityType
    start: int
    end: int
    score: float


class Candidate(msgspec.Struct, frozen=True):
    """A match, and what became of it.

    `start` and `end` are offsets (code points) into the string at hand, `place` into the whole input. `base` is
    the expression's score, `score` the one after context. `becomes` is there for what is kept; equal to the
    value where it identifies nobody, or the operator keeps it.
    """

    start: int
    end: int
    place: tuple[int, int]
    type: EntityType
    value: str
    source: Source
    rule: str
    pattern: str
    base: float
    score: float
    threshold: float
    fate: Fate
    context: str | None = None
    validator: str | None = None
    allowed_by: str | None = None
    by: Rival | None = None
    becomes: str | None = None

    def __repr__(self) -> str:
        """Nothing of the input."""
        return f"Candidate({self.rule}, {self.start}:{self.end}, {self.fate})"

    @property
    def stands(self) -> bool:
        """Whether it is one of the findings, passed or replaced."""
        return self.fate in (Fate.KEPT, Fate.ALLOWED)


class ExplainedString(msgspec.Struct, frozen=True):
    """One string of the input: a JSON value or key, or the text itself.

    `path` is its JSON Pointer (of a key: its member's), behind a `#` that in a document which is a string. `field`
    and `selector` are those of the field rule for it. `place` is where it stands in the whole input. `spared`: the
    tenant's id, which nothing looks at, and which has no place.
    """

    path: str
    is_key: bool
    text: str
    field: str | None
    selector: str | None
    candidates: tuple[Candidate, ...]
    place: tuple[int, int] = (0, 0)
    spared: bool = False

    def __repr__(self) -> str:
        """Nothing of the input."""
        return f"ExplainedString({len(self.candidates)} candidates)"


class Explanation(msgspec.Struct, frozen=True):
    """Everything about one input: each of its strings, what is replaced in the whole, and the names that it taught."""

    rule_set: str
    text: str
    edits: tuple[Edit, ...]
    strings: tuple[ExplainedString, ...]
    learned: tuple[Known, ...]

    def __repr__(self) -> str:
        """Nothing of the input."""
        return f"Explanation({self.rule_set}, {len(self.strings)} strings)"

    @property
    def scrubbed(self) -> str:
        """The whole as it comes out."""
        return splice(self.text, self.edits)

    def findings(self) -> Iterator[Candidate]:
        """What stands, replaced or let through, in the order of the input."""
        for string in self.strings:
            yield from (each for each in string.candidates if each.stands)


class Explainer:
    """A rule set that explains itself; `known` are names known beforehand, as a tenant's are.

    Replaces with a key of its own unless a pseudonymiser is given.
    """

    def __init__(
        self,
        rules: RuleSet,
        known: Sequence[Known] = (),
        pseudonymiser: Pseudonymiser | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        """Raises: UserError: an operator of the rule set does not fit its type."""
        self._rules = rules
        self._known = tuple(known)
        self._bounds = bounds or Bounds()
        self._tracer = Tracer(rules)
        self._recogniser = Recogniser(rules, self._tracer)
        self._pseudonymiser = pseudonymiser or throwaway(rules)

    def text(self, text: str) -> Explanation:
        """Explain a text; if it is a JSON document its fields count too, as in `detect`.

        Raises:
            RuleFailure: an expression did not end in its time.
            NotText: a base64 member does not hold text.
        """
        return self._explained(text, read_leaf(text, ("$text",), self._recogniser, depth=self._bounds.depth), None)

    def event(self, text: str) -> Explanation:
        """Explain an event (the JSON text of a record's value), in which the tenant's id is spared.

        Raises:
            DocumentError: not JSON, too deep, or with a member twice.
            RuleFailure, NotText: as for a text.
        """
        value = parse(text)
        tenant = value.get("tenantid", "") if isinstance(value, dict) else ""
        spared = tenant_member(value, tenant, self._bounds.tenant_path)
        document = read_document(text, value, self._recogniser, depth=self._bounds.depth, spared=spared)
        return self._explained(text, Leaf((), text, inner=document), ".".join(spared))

    def _explained(self, text: str, leaf: Leaf, spared: str | None) -> Explanation:
        taught = tuple(dict.fromkeys(learned(leaf, self._recogniser)))
        names = KnownEntities(self._rules.learning)
        for each in self._known:
            names.add(THROWAWAY, each)
        fresh = [each for each in taught if names.add(THROWAWAY, each)]
        walk = _Walk(self._tracer, self._pseudonymiser, names)
        strings = tuple(walk.strings(leaf, "", lambda start, end: (start, end)))
        editor = Editor(names, People(), self._pseudonymiser, THROWAWAY, Counter())
        edits = tuple(sorted(editor.leaf(leaf)))
        return Explanation(self._rules.identity, text, edits, strings + _spared(text, spared), tuple(fresh))


class _Walk:
    """Goes through the strings of an input, also those in documents in strings."""

    def __init__(self, tracer: Tracer, pseudonymiser: Pseudonymiser, names: KnownEntities) -> None:
        self._tracer = tracer
        self._replace = pseudonymiser.replace
        self._names = names

    def strings(self, leaf: Leaf, path: str, place: _Place) -> Iterator[ExplainedString]:
        """Each string of a leaf; `place` turns its offsets into those of the input."""
        if leaf.decoded is not None:  # base64 has no offsets inside: all of it
            yield from self.strings(leaf.decoded, path, lambda *_: place(0, len(leaf.text)))
        elif leaf.inner is not None:
            yield from self._document(leaf.inner, path, place)
        else:
            yield self._string(leaf, path, place)

    def _document(self, document: Document, path: str, place: _Place) -> Iterator[ExplainedString]:
        names = pointers(parse(document.text))
        before = f"{path}#" if path else ""
        for leaf in document.leaves:
            literal = document.spans[leaf.ordinal]
            yield from self.strings(leaf, before + names[leaf.ordinal], _inside(document.text, literal, place))

    def _string(self, leaf: Leaf, path: str, place: _Place) -> ExplainedString:
        known = self._names.find(THROWAWAY, leaf.text)
        field = None if leaf.is_key else self._tracer.field(leaf.path)
        traced = self._tracer.trace(leaf.text, field, known, is_key=leaf.is_key)
        candidates = tuple(self._candidate(leaf.text, each, place) for each in traced)
        return ExplainedString(path, leaf.is_key, leaf.text, *_said(field), candidates, place(0, len(leaf.text)))

    def _candidate(self, text: str, traced: Traced, place: _Place) -> Candidate:
        finding = traced.finding
        value = text[finding.start : finding.end]
        return Candidate(
            finding.start,
            finding.end,
            place(finding.start, finding.end),
            finding.type,
            value,
            traced.source,
            finding.rule,
            traced.pattern,
            traced.base,
            finding.score,
            self._tracer.threshold(finding.type),
            traced.fate,
            context=traced.context,
            validator=traced.validator,
            allowed_by=traced.allowed_by,
            by=_rival(traced.by),
            becomes=self._replace(finding.type, value) if traced.fate is Fate.KEPT else None,
        )


def explain(
    rules: RuleSet,
    text: str,
    *,
    event: bool = False,
    known: Sequence[Known] = (),
    pseudonymiser: Pseudonymiser | None = None,
) -> Explanation:
    """Explain one text or event; `Explainer` explains many.

    Raises:
        DocumentError: the event is not JSON, too deep, or with a member twice.
        RuleFailure: an expression did not end in its time.
        NotText: a base64 member does not hold text.
    """
    explainer = Explainer(rules, known, pseudonymiser)
    return explainer.event(text) if event else explainer.text(text)


def told(explainer: Explainer, text: str, *, event: bool) -> Explanation:
    """The explanation of a text or an event that a person gave, or why there is none, in words for that person.

    Raises:
        UserError: it would go to quarantine: not JSON, too deep, an expression without end in it.
    """
    try:
        return explainer.event(text) if event else explainer.text(text)
    except DocumentError as problem:
        raise UserError(f"not an event: {problem}" if str(problem) else "not an event: too deep") from None
    except RuleFailure as problem:
        raise UserError(f"rule {problem} did not end in time", "rmm-scrub rules lint") from None
    except NotText:
        raise UserError("a base64 member does not hold text: such an event goes to quarantine") from None


def throwaway(rules: RuleSet) -> Pseudonymiser:
    """Replaces by the rule set's operators, with a key that nobody keeps.

    Raises:
        UserError: an operator does not fit its type.
    """
    return Pseudonymiser(throwaway_keys(), rules.operators)


def throwaway_keys() -> TenantKeys:
    """Keys that nobody keeps."""
    ring = Keyring.throwaway()
    ring.add_tenant(THROWAWAY)
    return ring.tenant(THROWAWAY)


def _inside(text: str, literal: tuple[int, int], place: _Place) -> _Place:
    def inside(start: int, end: int) -> tuple[int, int]:
        [raw] = raw_edits(text, literal, [Edit(start, end, "")])
        return place(raw.start, raw.end)

    return inside


def _said(field: FieldMatch | None) -> tuple[str | None, str | None]:
    return (None, None) if field is None else (field.rule.name, field.selector)


def _rival(finding: Finding | None) -> Rival | None:
    if finding is None:
        return None
    return Rival(finding.rule, finding.type, finding.start, finding.end, finding.score)


def _spared(text: str, dotted: str | None) -> tuple[ExplainedString, ...]:
    """The tenant's id as a string that nothing looks at, if the event has one."""
    if dotted is None:
        return ()
    found = look_up(parse(text), dotted)
    pointer = "/" + dotted.replace(".", "/")
    return (ExplainedString(pointer, False, found, None, None, (), spared=True),) if isinstance(found, str) else ()
