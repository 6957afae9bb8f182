"""Canary identifiers: the same for every worker, other ones each hour, and all taken out by the shipped rules."""

from scrubbers import rules
from scrubbers.addresses import parse_mac
from scrubbers.canaries import TENANT, canary, events
from scrubbers.compiled import CompiledRules
from scrubbers.identifiers import Identifiers
from scrubbers.keyring import Keyring
from scrubbers.known import KnownEntities
from scrubbers.leaks import How, listed_finder, search
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.recognise import Recogniser
from scrubbers.records import Record
from scrubbers.scrub import Scrubber

RING = Keyring.throwaway()
RING.add_tenant(TENANT)
RULES = rules.load()
RECOGNISER = Recogniser(RULES, CompiledRules(RULES))
PSEUDONYMS = Pseudonymiser(RING.tenant(TENANT), RULES.operators)


def left(hour: int) -> tuple[int, int]:
    """How many canaries are found in an hour's raw events, and in the scrubbed ones."""
    made = canary(RING.canary_key(), hour)
    finder = listed_finder(Identifiers((0, known) for known in made.known()), How.CANARY)
    known = KnownEntities(RULES.learning)
    scrubber = Scrubber(RECOGNISER, known)
    raw = [Record("raw", 0, 0, 0, each.key, each.value, each.headers) for each in events(made)]
    read = [scrubber.read(record) for record in raw]
    for each in (learned for reading in read for learned in reading.learned):
        known.add(TENANT, each)
    written = [scrubber.write(reading, PSEUDONYMS) for reading in read]
    after = [Record("scrubbed", 0, 0, 0, each.key, each.value, each.headers) for each in written]
    return sum(len(search(each, finder)) for each in raw), sum(len(search(each, finder)) for each in after)


def test_every_worker_makes_the_same_and_every_hour_others():
    """From the keyring and the hour alone."""
    key = RING.canary_key()

    assert canary(key, 500_000) == canary(key, 500_000)
    assert {known.value for known in canary(key, 500_000).known()}.isdisjoint(
        known.value for known in canary(key, 500_001).known()
    )
    assert canary(key, 500_000) != canary(Keyring.throwaway().canary_key(), 500_000)


def test_nobody_has_such_addresses():
    """A local unicast MAC, documentation networks, a reserved top-level domain, a NetBIOS name."""
    made = canary(RING.canary_key(), 500_000)
    mac = parse_mac(made.mac)

    assert mac is not None
    assert mac.packed[0] & 3 == 2
    assert made.ipv6.startswith("2001:db8:")
    assert made.ipv4.rpartition(".")[0] in ("192.0.2", "198.51.100", "203.0.113")
    assert made.domain.endswith(".example")
    assert len(made.computer) == 15


def test_the_shipped_rules_take_all_out():
    """Of forty hours: about thirty places in the raw events, none in the scrubbed ones."""
    counts = [left(hour) for hour in range(500_000, 500_040)]

    assert [after for _, after in counts] == [0] * 40
    assert min(before for before, _ in counts) >= 25


def test_repr_shows_no_canary():
    """They are as secret as what they stand for: a log that had them would hide a leak."""
    assert repr(canary(RING.canary_key(), 7)) == "Canary(7)"
