"""The contact policy: which portal rights a role gives, by default and for a tenant."""

from pathlib import Path
from typing import Any

import msgspec
import yaml

import schemas
from schemas.errors import UserError

SHIPPED = Path(__file__).with_name("contact-policy.yaml")
_HINT = "schemas/contact-policy.schema.json describes the file, streams/contact-policy.yaml is one"


class Grants(msgspec.Struct, frozen=True):
    """Rights by role."""

    roles: dict[str, frozenset[str]]


class Policy(msgspec.Struct, frozen=True):
    """Roles and their rights. A role that a tenant names replaces that role's default for the tenant."""

    default: Grants
    tenants: dict[str, Grants] = {}

    def knows(self, tenant: str, role: str) -> bool:
        """Whether the policy names the role for this tenant."""
        return self._found(tenant, role) is not None

    def rights(self, tenant: str, role: str) -> frozenset[str]:
        """The rights that a role gives; none for a role that is not named."""
        return self._found(tenant, role) or frozenset()

    def _found(self, tenant: str, role: str) -> frozenset[str] | None:
        own = self.tenants.get(tenant)
        if own is not None and role in own.roles:
            return own.roles[role]
        return self.default.roles.get(role)


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
