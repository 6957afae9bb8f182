"""Paths into an event: which fields are known to carry what.

A selector is a dotted path, compared without case: `*` stands for one name (or a position in an array),
`**` for any number of names. `**.host.name` is `name` inside `host`, at any depth.
"""

import re
from collections.abc import Iterator, Sequence

from scrubbers.event import Path
from scrubbers.rules import FieldRule

# Distinct paths of all event shapes; a hostile sender could make up more, so the cache is emptied then.
CACHED_PATHS = 50_000


class Selectors:
    """Field rules compiled; the first one that matches a path counts, in the order they are written."""

    def __init__(self, fields: Sequence[FieldRule]) -> None:
        self._cache: dict[Path, FieldRule | None] = {}
        self._exact: dict[str, tuple[int, FieldRule]] = {}  # by last name, for `**.name` selectors
        self._others: list[tuple[int, re.Pattern[str], FieldRule]] = []
        order = 0
        for field in fields:
            for path in field.paths:
                order += 1
                self._add(path.lower(), order, field)

    def match(self, path: Path) -> FieldRule | None:
        """The rule for a path (array positions are `*`), or None."""
        try:
            return self._cache[path]
        except KeyError:
            if len(self._cache) >= CACHED_PATHS:
                self._cache.clear()
            found = self._cache[path] = self._find(path)
            return found

    def _add(self, selector: str, order: int, field: FieldRule) -> None:
        head, _, last = selector.rpartition(".")
        if head == "**" and "*" not in last:
            self._exact.setdefault(last, (order, field))
        else:
            self._others.append((order, _compiled(selector), field))

    def _find(self, path: Path) -> FieldRule | None:
        names = [name.lower() for name in path]
        while len(names) > 1 and names[-1] == "*":  # the items of an array are what its name says
            names.pop()
        best = self._exact.get(names[-1]) if names else None
        text = "".join(f"{name}." for name in names)
        for order, pattern, field in self._others:
            if best is not None and best[0] < order:
                break
            if pattern.fullmatch(text):
                best = (order, field)
                break
        return best[1] if best is not None else None


def _compiled(selector: str) -> re.Pattern[str]:
    """A selector over a path with a dot behind each name.

    Senders make up names, and nothing watches the time here: of what stands between two wildcards the first
    occurrence is as good as any, so no wildcard but the last gives back what it took.
    """
    first, *others = (_names(names) for names in _split(selector.split("."), "**"))
    if others:
        middle = "".join(rf"(?>(?:[^.]++\.)*?{names})" for names in others[:-1])
        first += rf"{middle}(?:[^.]++\.)*{others[-1]}"
    return re.compile(first)


def _names(names: Sequence[str]) -> str:
    return "".join(rf"{_name(name)}\." for name in names)


def _name(name: str) -> str:
    first, *others = (re.escape(part) for part in name.split("*"))
    if not others:
        return first
    return first + "".join(rf"(?>[^.]*?{part})" for part in others[:-1]) + f"[^.]*{others[-1]}"


def _split(names: Sequence[str], at: str) -> Iterator[list[str]]:
    part: list[str] = []
    for name in names:
        if name == at:
            yield part
            part = []
        else:
            part.append(name)
    yield part
