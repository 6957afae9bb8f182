"""Pseudonyms in a text back into names and addresses: with a tenant's keys, and with the names it is known to use.

Tokens are one-way: a name comes back only by computing the tokens of all known names again, so what has
been erased from them cannot be turned back. Addresses come back with the key alone; they do not say which key
epoch they are of, so it is given, or is that of the names around them.
"""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from scrubbers import hostnames
from scrubbers.aliases import Aliases
from scrubbers.entities import EntityType, Known
from scrubbers.event import Edit, splice
from scrubbers.keyring import TenantKeys
from scrubbers.pseudonyms import PREFIXES, Pseudonymiser
from scrubbers.recognise import Engine

_BY_PREFIX = {prefix: kind for kind, prefix in PREFIXES.items()}
# Bounded by anything but letters and digits, as known names are found: `PSEXESVC-pc-…-7256-stdin`.
_TOKEN = re.compile(rf"(?<![^\W_])(?P<prefix>{'|'.join(_BY_PREFIX)})-[a-z2-7]{{12}}(?![^\W_])", re.IGNORECASE)
_SEALED_ADDRESS = re.compile(r"(?<![^\W_])[0-9a-f]{64}(?![^\W_])", re.IGNORECASE)  # ipcrypt-ndx
_MAIL = re.compile(r"@[\w.-]+?(?P<end>\.invalid)(?![\w-])", re.IGNORECASE)


class Turned(msgspec.Struct, frozen=True):
    """A pseudonym of the text that was turned back: offsets into the given text."""

    start: int
    end: int
    type: EntityType
    pseudonym: str
    value: str
    epoch: str

    def __repr__(self) -> str:
        """The pseudonym, never the value."""
        return f"Turned({self.pseudonym})"


class Reversal(msgspec.Struct, frozen=True):
    """A text with its pseudonyms turned back; `unknown` are the tokens that no known name has."""

    text: str
    turned: Sequence[Turned]
    unknown: Sequence[str]

    def __repr__(self) -> str:
        """How many, never what."""
        return f"Reversal({len(self.turned)} turned, {len(self.unknown)} unknown)"


def reverse(
    text: str,
    keys: TenantKeys,
    known: Collection[Known],
    engine: Engine,
    operators: Mapping[EntityType, str] | None = None,
    epoch: str | None = None,
) -> Reversal:
    """Every pseudonym in a text turned back, as far as the tenant's keys and names go.

    `epoch` is the key epoch of the text's pseudonyms; if none is given, names are looked for in all epochs,
    and addresses are taken to be of the one that most names are of, else of the current one. Every address
    in the text is taken for a pseudonym: nothing tells one from a real address.
    """
    tokens = [(match.span(), match.group()) for match in _TOKEN.finditer(text)]
    names = _Names(keys, known, operators, epoch)
    found = names.of({token.lower() for _, token in tokens})
    turned = [
        Turned(*span, kind_of(token), token, *found[token.lower()]) for span, token in tokens if token.lower() in found
    ]
    of_addresses = epoch or _commonest(turned) or keys.epoch
    turned += _addresses(text, Pseudonymiser(keys, operators, epoch=of_addresses), engine, of_addresses, tokens)
    turned.sort(key=lambda each: each.start)
    unknown = sorted({token.lower() for _, token in tokens} - found.keys())
    return Reversal(splice(text, _edits(text, turned)), turned, unknown)


class _Names:
    """Which known name each token stands for."""

    def __init__(
        self,
        keys: TenantKeys,
        known: Collection[Known],
        operators: Mapping[EntityType, str] | None,
        epoch: str | None,
    ) -> None:
        self._keys = keys
        self._known = known
        self._operators = operators
        self._aliases = Aliases.of_all(known)
        self._epochs = [epoch] if epoch else keys.epochs[::-1]

    def of(self, wanted: set[str]) -> dict[str, tuple[str, str]]:
        """(value, epoch) by token, newest epoch first; costs about 2 µs a known name and epoch."""
        found: dict[str, tuple[str, str]] = {}
        for epoch in self._epochs:
            left = wanted - found.keys()
            if not left:
                break
            pseudonymiser = Pseudonymiser(self._keys, self._operators, epoch=epoch, aliases=self._aliases)
            for each in self._known:
                for token, value in stands_for(pseudonymiser, each):
                    # A machine's long name and its NetBIOS form share a token: the long one says more.
                    if token in left and len(value) > len(found.get(token, ("", ""))[0]):
                        found[token] = value, epoch
        return found


def kind_of(token: str) -> EntityType:
    """The entity type that a token's prefix names."""
    return _BY_PREFIX[token.partition("-")[0].lower()]


def stands_for(pseudonymiser: Pseudonymiser, known: Known) -> Iterator[tuple[str, str]]:
    """The tokens in which a known entity may appear, each with what it stands for."""
    match known.type:
        case EntityType.COMPUTER_NAME | EntityType.DOMAIN_NAME:
            yield from pseudonymiser.name_tokens(known.value)
            if known.type is EntityType.DOMAIN_NAME:  # `corp.example.com`, by its form a host, as others' domain
                yield pseudonymiser.token(known.type, known.value), known.value
        case EntityType.EMAIL_ADDRESS:
            user, _, host = known.value.rpartition("@")
            yield pseudonymiser.token(EntityType.USER_NAME, hostnames.normalise(user)), user
            yield from pseudonymiser.name_tokens(hostnames.normalise(host))
        case _:
            yield pseudonymiser.token(known.type, known.alias or known.value), known.value


def _addresses(
    text: str, pseudonymiser: Pseudonymiser, engine: Engine, epoch: str, tokens: Sequence[tuple[tuple[int, int], str]]
) -> Iterator[Turned]:
    behind = [end for (_, end), _ in tokens]
    spans = [(each.start, each.end) for each in engine.find(text) if each.type is EntityType.IP_ADDRESS]
    spans += [match.span() for match in _SEALED_ADDRESS.finditer(text)]
    for start, end in spans:
        next_token = bisect_right(behind, start)
        if next_token < len(tokens) and tokens[next_token][0][0] < end:
            continue
        surface = text[start:end]
        value = pseudonymiser.reverse_ip(surface)
        if value is not None and value != surface:
            yield Turned(start, end, EntityType.IP_ADDRESS, surface, value, epoch)


def _commonest(turned: Sequence[Turned]) -> str | None:
    counted = Counter(each.epoch for each in turned)
    return counted.most_common(1)[0][0] if counted else None


def _edits(text: str, turned: Sequence[Turned]) -> list[Edit]:
    """The values, and a pseudonymous e-mail address's `.invalid` gone where its host is known again."""
    ends = {each.end for each in turned}
    edits = [Edit(each.start, each.end, each.value) for each in turned]
    edits += [Edit(*match.span("end"), "") for match in _MAIL.finditer(text) if match.start("end") in ends]
    return edits
