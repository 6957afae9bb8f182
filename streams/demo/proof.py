"""The demo's proof: pure checks over what went in and what was read back. None ever quotes a value."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from scrubbers.event import DocumentError, leaves, parse
from streams.demo.events import SEQUENCE, SURVIVORS, Event
from streams.quarantine import PREFIX, Entry, read_entry
from streams.reader import Read
from streams.verification import Claims

_DEPTH = 1_024


class Check(msgspec.Struct, frozen=True):
    """One thing that must hold: whether it does, and figures about it."""

    name: str
    holds: bool
    figures: str


def sequence(headers: Iterable[tuple[str, bytes | None]]) -> int | None:
    """The number of the input that a record came from."""
    found = next((value for name, value in headers if name == SEQUENCE), None)
    return int(found) if found else None


def nothing_lost(
    inputs: Sequence[Event], scrubbed: Sequence[Read], origins: Mapping[tuple[int, int], int], sealed: Sequence[Read]
) -> Check:
    """Each input is exactly one scrubbed or one quarantined record; `origins`: raw (partition, offset) → number."""
    out = Counter(sequence(read.headers) for read in scrubbed)
    out.update(origins[entry.partition, entry.offset] for entry in map(_entry, sealed))
    wanted = {sequence(event.headers) for event in inputs}
    exact = set(out) == wanted and all(count == 1 for count in out.values())
    return Check(
        "every input ends once: input = scrubbed + quarantined",
        exact,
        f"{len(inputs)} = {len(scrubbed)} + {len(sealed)}",
    )


def nothing_leaked(outputs: Sequence[Read], identifiers: Mapping[str, set[str]], tenants: Mapping[int, str]) -> Check:
    """No identifier of a record's tenant in any byte of key, value or headers, also behind JSON escapes.

    `tenants`: number of the input → tenant. Records without a number are held against all identifiers.
    """
    everyone = set().union(*identifiers.values()) if identifiers else set()
    leaks = 0
    for read in outputs:
        number = sequence(read.headers)
        known = everyone if number is None or number not in tenants else identifiers.get(tenants[number], set())
        text = "\n".join(_texts(read)).lower()
        leaks += sum(1 for identifier in known if identifier in text and stands(identifier, text))
    return Check(
        "no known identifier in any output byte",
        leaks == 0,
        f"{len(everyone)} identifiers, {len(outputs)} records, {leaks} found",
    )


def stands(identifier: str, text: str) -> bool:
    """Whether the identifier stands in the text as a whole token (both lower case)."""
    return re.search(rf"(?<![a-z0-9]){re.escape(identifier)}(?![a-z0-9])", text) is not None


def same_pseudonyms(
    inputs: Sequence[Event], scrubbed: Sequence[Read], workers: Mapping[int, str], identifiers: Mapping[str, set[str]]
) -> Check:
    """Where a string of an event is an identifier, its pseudonym is one and the same on every worker.

    `workers`: number of the input → worker. Across tenants the same identifier must differ.
    """
    outputs = {sequence(read.headers): read for read in scrubbed}
    seen: dict[tuple[str, str], dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for event in inputs:
        number = sequence(event.headers)
        if number is None or number not in outputs:
            continue
        for before, after in _pairs(event.value, outputs[number].value or b""):
            if before.lower() in identifiers.get(event.tenant, ()):
                seen[event.tenant, before.lower()][workers.get(number, "?")].add(after)
    shared = sum(1 for found in seen.values() if len(found) > 1)
    consistent = all(len(set().union(*found.values())) == 1 for found in seen.values())
    holds = consistent and _differ_between_tenants(seen) and (shared > 0 or len(set(workers.values())) < 2)
    return Check("one identifier, one pseudonym on every worker", holds, f"{len(seen)} identifiers, {shared} on both")


def order_kept(inputs: Sequence[Event], scrubbed: Sequence[Read]) -> Check:
    """The records of a device come out in one partition, in the order they went in."""
    devices = {sequence(event.headers): (event.tenant, event.device) for event in inputs if event.key is not None}
    places: dict[tuple[str, str], list[tuple[int, int, int]]] = defaultdict(list)
    for read in scrubbed:
        number = sequence(read.headers)
        if number is not None and number in devices:
            places[devices[number]].append((read.partition, read.offset, number))
    good = sum(1 for found in places.values() if _in_order(found))
    return Check("order per device", good == len(places), f"{good} of {len(places)} devices")


def reasons(inputs: Sequence[Event], origins: Mapping[tuple[int, int], int], sealed: Sequence[Read]) -> Check:
    """Each nasty record is in quarantine with its reason, and nothing else is."""
    wanted = Counter((sequence(event.headers), event.reason) for event in inputs if event.reason)
    found = Counter((origins[entry.partition, entry.offset], entry.reason) for entry in map(_entry, sealed))
    return Check("quarantine holds the bad records, with the right reasons", wanted == found, f"{len(sealed)} records")


def survivors(inputs: Sequence[Event], scrubbed: Sequence[Read]) -> Check:
    """Versions, OIDs, GUIDs and file names are left alone."""
    wanted = _count(event.value for event in inputs if event.reason is None)
    found = _count(read.value or b"" for read in scrubbed)
    return Check("look-alikes survive", wanted == found, f"{found.total()} of {wanted.total()}")


def tokens(expected: Sequence[tuple[str, str]], found: Sequence[Claims]) -> Check:
    """The tokens of each contact are those its changes give, in that order (event's last word, contact)."""
    wanted, got = _by_contact(expected), _by_contact([_plain(claims) for claims in found])
    unique = len({claims.jti for claims in found}) == len(found)
    return Check(
        "revocations: exactly those the policy says, in order", wanted == got and unique, f"{len(found)} tokens"
    )


def _by_contact(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for event, contact in pairs:
        found[contact].append(event)
    return found


def _plain(claims: Claims) -> tuple[str, str]:
    return str(claims.event).rpartition("/")[2], getattr(claims.subject, "contact_id", "")


def _entry(read: Read) -> Entry:
    return read_entry(read.headers)


def _texts(read: Read) -> Iterator[str]:
    for raw in (read.key, read.value):
        if raw:
            text = raw.decode("utf-8", "replace")
            yield text
            yield from _decoded(text)
    for name, value in read.headers:
        yield name
        if value and not name.startswith(PREFIX):
            yield value.decode("utf-8", "replace")


def _decoded(text: str) -> Iterator[str]:
    """Strings of a JSON text, and of JSON texts inside them."""
    if text[:1] not in ("{", "["):
        return
    try:
        found = leaves(parse(text), _DEPTH)
    except DocumentError:
        return
    for leaf in found:
        yield leaf.text
        yield from _decoded(leaf.text)


def _pairs(before: bytes, after: bytes) -> Iterator[tuple[str, str]]:
    """Strings of an event beside what they became."""
    try:
        old, new = leaves(parse(before), _DEPTH), leaves(parse(after), _DEPTH)
    except DocumentError:
        return
    if len(old) == len(new):
        yield from ((one.text, other.text) for one, other in zip(old, new, strict=True))


def _differ_between_tenants(seen: Mapping[tuple[str, str], Mapping[str, set[str]]]) -> bool:
    by_name: dict[str, list[str]] = defaultdict(list)
    for (_, name), found in seen.items():
        by_name[name] += sorted(set().union(*found.values()))
    return all(len(set(found)) == len(found) for found in by_name.values())


def _in_order(found: Sequence[tuple[int, int, int]]) -> bool:
    ordered = sorted(found, key=lambda place: place[1])
    numbers = [number for _, _, number in ordered]
    return len({partition for partition, _, _ in found}) == 1 and numbers == sorted(numbers)


def _count(values: Iterable[bytes]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for value in values:
        for each in SURVIVORS:
            counted[each] += value.count(each.encode())
    return counted
