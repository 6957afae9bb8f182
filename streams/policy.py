"""The contact policy: rights by role, what a change of role brings beyond them, and grace periods."""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
import yaml

import schemas
from schemas.errors import UserError

SHIPPED = Path(__file__).with_name("contact-policy.yaml")
GRACE_DAYS = 30.0
ANY = "*"
_HINT = "schemas/contact-policy.schema.json describes the file, streams/contact-policy.yaml is one"


class Then(StrEnum):
    """What a change of role brings beyond the difference of rights; each is stricter than the one before."""

    NONE = "none"
    END_SESSIONS = "end-sessions"
    REVOKE_ALL = "revoke-all"


_STRICTNESS = {each: number for number, each in enumerate(Then)}


class Rule(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A consequence by role before and role after; `*` stands for every role."""

    from_: str
    to: str
    then: Then

    def fits(self, before: str, after: str) -> bool:
        """Whether it speaks of this change of role."""
        return self.to in (ANY, after) and self.from_ in (ANY, before)


class Consequence(msgspec.Struct, frozen=True):
    """The rule that counted: where it stands (a JSON Pointer into the policy), and what it says."""

    pointer: str
    rule: Rule

    def __str__(self) -> str:
        """For people: its roles are the policy's own words."""
        return f"{self.pointer}: from {self.rule.from_} to {self.rule.to} then {self.rule.then}"


class Grants(msgspec.Struct, frozen=True):
    """Rights by role, consequences in the order they are looked at, and days of grace after a contract's end."""

    roles: dict[str, frozenset[str]] = {}
    changes: tuple[Rule, ...] = ()
    grace_days: float | None = None


class Policy(msgspec.Struct, frozen=True):
    """By default and by tenant. A role or a grace period that a tenant names replaces the default's for it.

    A tenant's consequences are looked at before the default's.
    """

    default: Grants
    tenants: dict[str, Grants] = {}

    def knows(self, tenant: str, role: str) -> bool:
        """Whether the policy names the role for this tenant."""
        return self._found(tenant, role) is not None

    def rights(self, tenant: str, role: str) -> frozenset[str]:
        """The rights that a role gives; none for a role that is not named."""
        return self._found(tenant, role) or frozenset()

    def grant(self, tenant: str, role: str) -> str | None:
        """Where the role's rights stand (a JSON Pointer into the policy); None for a role that is not named."""
        if not self.knows(tenant, role):
            return None
        own = self.tenants.get(tenant)
        return f"/tenants/{tenant}/roles/{role}" if own and role in own.roles else f"/default/roles/{role}"

    def grace(self, tenant: str) -> timedelta:
        """How long after its contract's end a tenant's contacts and keys are kept."""
        own = self.tenants.get(tenant)
        named = [each.grace_days for each in (own, self.default) if each is not None and each.grace_days is not None]
        return timedelta(days=(named or [GRACE_DAYS])[0])

    def consequence(self, tenant: str, before: Iterable[str | None], after: str) -> Consequence | None:
        """What a change of role brings beyond the difference of rights; None where no rule speaks of it.

        For one role before, the first rule that fits counts. Of several, since the sender and we do not
        agree, and of all that it may be when it is not known, the strictest.
        """
        rules = list(self._rules(tenant))
        found = [
            next((each for each in rules if each.rule.fits(role, after)), None)
            for role in _candidates(before, [each.rule for each in rules])
        ]
        return max(filter(None, found), key=lambda each: _STRICTNESS[each.rule.then], default=None)

    def _rules(self, tenant: str) -> Iterator[Consequence]:
        own = self.tenants.get(tenant)
        for number, rule in enumerate(own.changes if own else ()):
            yield Consequence(f"/tenants/{tenant}/changes/{number}", rule)
        for number, rule in enumerate(self.default.changes):
            yield Consequence(f"/default/changes/{number}", rule)

    def _found(self, tenant: str, role: str) -> frozenset[str] | None:
        own = self.tenants.get(tenant)
        if own is not None and role in own.roles:
            return own.roles[role]
        return self.default.roles.get(role)


def _candidates(before: Iterable[str | None], rules: Iterable[Rule]) -> set[str]:
    """The roles before to look at: an unknown one may be any that a rule names, or another (`*` itself)."""
    known = set(before)
    every = {each.from_ for each in rules} | {ANY} if None in known else set()
    return {each for each in known if each is not None} | every


def load(path: Path | None = None) -> Policy:
    """The policy in a file; the shipped one when none is given.

    Raises:
        UserError: it cannot be read, is not YAML, or not what the schema says; with file and line.
    """
    path = path or SHIPPED
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as problem:
        raise UserError(f"contact policy {path}: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"contact policy {path}: not UTF-8") from None
    tree, lines = _read(path, text)
    violations = schemas.check("contact-policy", tree)
    if violations:
        found = [f"{path}:{_line(lines, each.pointer)}: {each.pointer or '/'}: {each.message}" for each in violations]
        raise UserError(found[0], *found[1:], _HINT)
    return msgspec.convert(tree, Policy)


def _read(path: Path, text: str) -> tuple[Any, dict[str, int]]:
    """The document, and the line (from 1) on which each JSON Pointer's value stands."""
    lines: dict[str, int] = {}
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.AliasEvent):  # a policy is read by people: every role says its rights
                raise UserError(f"{path}:{_at(event.start_mark)}: aliases are not read here", _HINT)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _note_lines(path, node, "", lines)
        return yaml.safe_load(text), lines
    except yaml.YAMLError as problem:
        raise UserError(f"{path}:{_at(getattr(problem, 'problem_mark', None))}: not valid YAML") from None


def _at(mark: Any) -> int:
    """A YAML mark's line, from 1."""
    return mark.line + 1 if mark else 1


def _note_lines(path: Path, node: yaml.Node, pointer: str, lines: dict[str, int]) -> None:
    if pointer in lines:
        raise UserError(f"{path}:{node.start_mark.line + 1}: {pointer}: stands here twice", _HINT)
    lines[pointer] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _note_lines(path, item, f"{pointer}/{index}", lines)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            step = str(key.value).replace("~", "~0").replace("/", "~1")
            _note_lines(path, value, f"{pointer}/{step}", lines)
            lines[f"{pointer}/{step}"] = key.start_mark.line + 1


def _line(lines: dict[str, int], pointer: str) -> int:
    """The line of a pointer's value, or of the nearest place around it that is there."""
    while pointer and pointer not in lines:
        pointer = pointer.rpartition("/")[0]
    return lines.get(pointer, 1)
