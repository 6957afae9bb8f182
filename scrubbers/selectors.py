"""Paths into an event: which fields are known to carry what.

A selector is a dotted path, compared without case: `*` stands for one name (or a position in an array),
`**` for any number of names. `**.host.name` is `name` inside `host`, at any depth.
"""

import re
from collections.abc import Sequence

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
        text = ".".join(names)
        for order, pattern, field in self._others:
            if best is not None and best[0] < order:
                break
            if pattern.fullmatch(text):
                best = (order, field)
                break
        return best[1] if best is not None else None


def _compiled(selector: str) -> re.Pattern[str]:
    expression = ""
    for name in selector.split("."):
        if name == "**":
            expression += r"(?:[^.]+\.)*"
        else:
            expression += re.escape(name).replace(r"\*", "[^.]*") + r"\."
    return re.compile(expression.removesuffix(r"\."))
