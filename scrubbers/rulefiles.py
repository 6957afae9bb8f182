"""The files of a rule set as YAML: their trees, and the line on which each thing stands."""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

from schemas.errors import UserError

# libyaml's loader where PyYAML was built with it: a rule set is read anew with every key in the workbench.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Place = Sequence[str | int]  # member names and positions, from the top


class Flaw(msgspec.Struct, frozen=True, order=True):
    """What is wrong at a line of a file; line 0: with the file as a whole."""

    file: str
    line: int
    what: str

    def __str__(self) -> str:
        """As compilers write it, so that editors can jump there."""
        return f"{self.file}:{self.line}: {self.what}" if self.line else f"{self.file}: {self.what}"


class RuleProblem(UserError):
    """A rule set that cannot be used: each flaw names file and line."""

    def __init__(self, flaws: Sequence[Flaw], *hints: str) -> None:
        told = [str(flaw) for flaw in flaws]
        super().__init__(told[0], *told[1:], *hints)
        self.flaws = tuple(flaws)

    def __reduce__(self) -> tuple[Any, ...]:
        """The workbench tries rule sets in another process: an exception travels as what made it."""
        return type(self), (self.flaws, *self.hints[len(self.flaws) - 1 :])


class SourceFile(msgspec.Struct, frozen=True):
    """A file of a rule set as its authors wrote it."""

    name: str
    text: str


class RuleFile(msgspec.Struct, frozen=True, eq=False):
    """One file: what it says, and the YAML nodes that know their lines."""

    path: Path
    tree: Any
    node: yaml.Node | None

    def line(self, place: Place) -> int:
        """The line on which the value at a place stands, or the nearest value around it."""
        node = self.node
        for step in place if node is not None else ():
            inner = _inner(node, step)
            if inner is None:
                break
            node = inner
        return int(node.start_mark.line) + 1 if node is not None else 1

    def members_written_twice(self) -> Iterator[tuple[int, str]]:
        """(line, name) of each member of an object that has its name: YAML keeps the last without a word."""
        yield from _twice(self.node)


def read(path: Path) -> list[RuleFile]:
    """The files of a rule set, in the order of their names.

    Raises:
        RuleProblem: there is none, or one is not YAML.
    """
    if path.is_dir():
        files = sorted(path.glob("*.yaml"))
        if not files:
            raise RuleProblem([Flaw(str(path), 0, "no rule files (*.yaml) in this folder")])
        return [read_file(file) for file in files]
    if not path.is_file():
        raise RuleProblem([Flaw(str(path), 0, "no such rule set")])
    return [read_file(path)]


def read_file(file: Path) -> RuleFile:
    """One file.

    Raises:
        RuleProblem: it cannot be read, or is not YAML.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise RuleProblem([Flaw(str(file), 0, "cannot be read")]) from None
    return parse(file, text)


@lru_cache(maxsize=64)  # a set that is being edited is read with every key, and one of its files has changed
def parse(path: Path, text: str) -> RuleFile:
    """A file that is called so and holds this text.

    Raises:
        RuleProblem: it is not YAML.
    """
    try:
        return RuleFile(path, yaml.load(text, Loader=_Loader), yaml.compose(text, Loader=_Loader))  # noqa: S506 - safe
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        raise RuleProblem([Flaw(str(path), mark.line + 1 if mark else 1, "not valid YAML")]) from None


def _inner(node: yaml.Node | None, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int):
        return node.value[step] if step < len(node.value) else None
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == str(step)), None)
    return None


def _twice(node: yaml.Node | None) -> Iterator[tuple[int, str]]:
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if str(key.value) in seen:
                yield int(key.start_mark.line) + 1, str(key.value)
            seen.add(str(key.value))
            yield from _twice(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _twice(item)
