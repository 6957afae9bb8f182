"""Expressions that take too long: by their shape, and tried on texts that they themselves suggest.

An expression is slow where what it repeats can be read in many ways, and what comes after does not match. So
each repeat is pumped (what leads there, its body over and over, then what must not follow) and the expression
matched on that text with a bounded time. What takes longer than the bound, or grows faster than with about the
square of the text's length, could stall a worker with a text that anybody may send.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache

import regex

from scrubbers.attempts import attempts
from scrubbers.expressions import (
    Atomic,
    Either,
    Looked,
    Node,
    Repeated,
    Sequenced,
    UnreadableError,
    classes,
    inside,
    may_be_empty,
    members,
    sample,
    tree,
)
from scrubbers.rules import REGEX_FLAGS, UNENDED

_HARMLESS = 1_000  # attempts from one start on: whatever the text, that is well below a millisecond
_SHORT = 48  # characters of a first text: enough for what grows exponentially to take hours
_SHORT_SECONDS = 0.05
_LENGTHS = (200, 400, 800)
_LONG_SECONDS = 0.25
_NOTICEABLE = 0.01  # seconds: shorter than that no growth is worth a refusal, nor measured well
_GROWTH = 32.0  # over a four times longer text: the square gives 16, the cube 64
_SLOWEST = 5  # of the short texts whose attacks are tried at length
_POPULAR = 4  # characters that most classes take, tried in each pump
_BREAK = "\0"  # what hardly any class takes
_SINGLE = 2  # repeats that could split what they match between them

_Attack = tuple[str, str, str]  # before, pumped, behind


@lru_cache(maxsize=2_048)
def slowness(expression: str, *, whole: bool = False) -> str | None:
    """Why an expression is refused, or None; `whole`: it is matched against whole values, as an allow rule's.

    Takes at most a second or so.
    """
    try:
        node = tree(expression)
    except UnreadableError:
        return _probed(expression, list(_blind(expression)), whole=whole)
    if (shape := _ambiguous(node)) is not None:
        return shape
    if attempts(expression) <= _HARMLESS:
        return None
    return _probed(expression, list(dict.fromkeys(_attacks(node))), whole=whole)


def _ambiguous(node: Node) -> str | None:
    """A repeat of what is, but for parts that may be missing, itself a repeat: 2^n ways to split n characters.

    The `regex` module cuts some of these short, with some texts.
    """
    if isinstance(node, Repeated) and node.most > _SINGLE and not node.atomic and _is_repeat(node.body):
        return "a repeat inside a repeat, with nothing between that must be there"
    return next((found for inner in inside(node) if (found := _ambiguous(inner)) is not None), None)


def _is_repeat(node: Node) -> bool:
    match node:
        case Repeated():
            return node.most > _SINGLE and not node.atomic and not _is_fixed(node)
        case Sequenced(items):
            needed = [item for item in items if not may_be_empty(item)]
            if not needed:  # all may be missing: one repeat among them is enough
                return any(_is_repeat(item) for item in items)
            return len(needed) == 1 and _is_repeat(needed[0])
        case Either(options):
            return any(_is_repeat(option) for option in options)
        case _:
            return False


def _is_fixed(node: Repeated) -> bool:
    return node.least == node.most


def _attacks(node: Node) -> Iterator[_Attack]:
    popular = Counter(letter for each in classes(node) for letter in members(each))
    letters = ["", *(letter for letter, _ in popular.most_common(_POPULAR))]
    whole = sample(node)
    yield "", whole[:-1] + _BREAK, whole  # where nothing repeats, but is written out over and over
    for before, body, behind in _sites(node, "", ""):
        pumps = dict.fromkeys(pump for letter in letters for pump in _samples(body, letter) if pump)
        for pump in pumps:
            for end in dict.fromkeys(("", _BREAK, _BREAK + whole, behind[:-1] + _BREAK + whole)):
                yield before, pump, end


def _samples(body: Node, letter: str) -> Iterator[str]:
    """Texts of a body, one for each way through it at the top."""
    if isinstance(body, Either):
        for option in body.options:
            yield sample(option, letter)
    elif isinstance(body, Repeated):
        yield sample(body.body, letter)
    else:
        yield sample(body, letter)
        yield sample(_filled(body), letter)


def _filled(node: Node) -> Node:
    """A node with everything once that may be missing."""
    match node:
        case Sequenced(items):
            return Sequenced(tuple(_filled(item) for item in items))
        case Repeated(body):
            return Repeated(_filled(body), max(1, node.least), node.most)
        case _:
            return node


def _sites(node: Node, before: str, behind: str) -> Iterator[tuple[str, Node, str]]:
    """Each repeat's body, with a text that leads there and one that may follow."""
    match node:
        case Sequenced(items):
            for index, item in enumerate(items):
                led = before + sample(Sequenced(items[:index]))
                yield from _sites(item, led, sample(Sequenced(items[index + 1 :])) + behind)
        case Either(options):
            for option in options:
                yield from _sites(option, before, behind)
        case Repeated(body):
            if node.most > 1:
                yield before, body, behind
            yield from _sites(body, before, behind)
        case Atomic(body) | Looked(body):
            yield from _sites(body, before, behind)
        case _:
            return


def _blind(expression: str) -> Iterator[_Attack]:
    """For an expression whose shape is not known."""
    for pump in ("a", "0", " ", "ab", "a0", "a ", ".", "-", "a.", "a-", "/", "\\", ":", "a:", '"', "=", "A"):
        for end in ("", _BREAK, _BREAK + expression):  # which has the characters that a match must have
            yield "", pump, end


def _probed(expression: str, attacks: list[_Attack], *, whole: bool) -> str | None:
    pattern = regex.compile(expression, REGEX_FLAGS)
    run: Callable[[str, float], object] = (
        (lambda text, seconds: pattern.fullmatch(text, timeout=seconds))
        if whole
        else (lambda text, seconds: list(pattern.finditer(text, timeout=seconds)))
    )
    taken: list[tuple[float, _Attack]] = []
    for attack in attacks:
        seconds = _seconds(run, _text(attack, _SHORT), _SHORT_SECONDS)
        if seconds is None:
            return f"does not end in {_SHORT_SECONDS:g} s on a text of about {_SHORT} characters"
        taken.append((seconds, attack))
    for _, attack in sorted(taken, reverse=True)[:_SLOWEST]:
        if (why := _growth(run, attack)) is not None:
            return why
    return None


def _growth(run: Callable[[str, float], object], attack: _Attack) -> str | None:
    first = 0.0
    for length in _LENGTHS:
        seconds = _seconds(run, _text(attack, length), _LONG_SECONDS)
        if seconds is None:
            return f"does not end in {_LONG_SECONDS:g} s on a text of about {length:,} characters"
        first = first or seconds
    if seconds is not None and seconds > _NOTICEABLE and seconds > _GROWTH * first:
        return "takes time that grows faster than the square of a text's length"
    return None


def _text(attack: _Attack, length: int) -> str:
    before, pump, end = attack
    return before + pump * max(1, length // len(pump)) + end


def _seconds(run: Callable[[str, float], object], text: str, limit: float) -> float | None:
    """Processor time of a match, since others share the machine; None if it was cut off."""
    started = time.thread_time()
    try:
        run(text, limit)
    except UNENDED:
        return None
    return time.thread_time() - started
