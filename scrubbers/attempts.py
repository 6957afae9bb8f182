"""How many attempts an expression can cost: what decides whether its matches need a clock."""

from collections.abc import Sequence
from math import inf

import msgspec

from scrubbers.tokens import LOOK_AROUND, OPENINGS, Token, UncertainError, is_repeat, least_of, most_of, tokenised


def attempts(expression: str) -> float:
    """The most that a backtracking engine tries from one start on; infinite if there is no bound.

    Counted as the nodes of its tree of attempts, as if no character ever cut a branch off.
    """
    try:
        nodes = _tree(list(tokenised(expression))).nodes
    except (UncertainError, OverflowError):
        return inf
    return min(inf, nodes)  # also of what is no number: infinite ways to match nothing


class _Tree(msgspec.Struct, frozen=True):
    """In how many ways a piece can match, and how many attempts it takes to find them."""

    ways: float = 1
    nodes: float = 0

    def then(self, other: "_Tree") -> "_Tree":
        """The one, and behind each of its ways the other."""
        return _Tree(self.ways * other.ways, self.nodes + self.ways * other.nodes)

    def either(self, other: "_Tree") -> "_Tree":
        """The one or the other."""
        return _Tree(self.ways + other.ways, self.nodes + other.nodes)

    def repeated(self, least: int, most: float) -> "_Tree":
        """Itself, from `least` to `most` times."""
        if most == inf:
            return _Tree(inf, inf)
        ways = _powers(self.ways, most + 1) - _powers(self.ways, least)
        return _Tree(ways, 1 + self.nodes * _powers(self.ways, most))


def _powers(base: float, count: float) -> float:
    """The sum of so many powers, from the zeroth on."""
    return count if base == 1 else (float(base) ** count - 1) / (base - 1)


_NEITHER = _Tree(0, 0)


def _tree(tokens: Sequence[Token]) -> _Tree:
    groups: list[tuple[_Tree, _Tree]] = []  # what stood before each open one, and its alternatives
    before, last, others = _Tree(), _Tree(), _NEITHER
    for token in tokens:
        if is_repeat(token):
            last = last.repeated(least_of(token.text), most_of(token.text))
            if token.possessive:
                last = _Tree(1, last.nodes)
            continue
        before, last = before.then(last), _Tree()
        if token.text in OPENINGS:
            groups.append((before, others))
            before, others = _Tree(), _NEITHER
        elif token.text == "|":
            before, others = _Tree(), others.either(before)
        elif token.text == ")":
            last = others.either(before)
            before, others = groups.pop()
        elif token.text.startswith(LOOK_AROUND):  # once it has looked it is not gone back into
            inner = token.text[4 if token.text.startswith("(?<") else 3 : -1]
            if r"\K" in inner:  # a match that begins before the last one ended: there may be no end of them
                raise UncertainError
            last = _Tree(1, _tree(list(tokenised(inner))).nodes)
        else:
            last = _Tree(1, 1)
    return others.either(before.then(last))
