"""What a pseudonym costs, new and repeated, against PyPI's `ipcrypt` (pfx mode) and `yacryptopan`, in one run."""

import random
import time
from collections.abc import Callable, Sequence

import ipcrypt
from yacryptopan import CryptoPAn

from scrubbers.addresses import canonical
from scrubbers.entities import EntityType
from scrubbers.keyring import Keyring
from scrubbers.pseudonyms import Pseudonymiser

NEW, REPEATS, ROUNDS = 4_000, 20, 3
_SLOW = 300  # of the other libraries: they take up to a millisecond each
KEY = bytes(range(32))


def measure() -> dict[str, float]:
    """Microseconds each, the best of some rounds, and how many times as long the others take for the same addresses."""
    rounds = [_round() for _ in range(ROUNDS)]
    costs = {name: min(each[name] for each in rounds) for name in rounds[0]}
    for kind in ("ipv4", "ipv6"):
        for library in ("ipcrypt", "yacryptopan"):
            costs[f"{library}_{kind}_ratio"] = costs[f"{library}_{kind}_us"] / costs[f"new_{kind}_us"]
    return costs


def _round() -> dict[str, float]:
    ring = Keyring.throwaway()
    ring.add_tenant("bench")
    draw = random.Random(7)
    kinds = {
        "ipv4": (EntityType.IP_ADDRESS, [canonical(bytes([10, *draw.randbytes(3)])) for _ in range(NEW)]),
        "ipv6": (EntityType.IP_ADDRESS, [canonical(b"\x20\x01\x0d\xb9" + draw.randbytes(12)) for _ in range(NEW)]),
        "name": (EntityType.COMPUTER_NAME, [f"host-{draw.randrange(10**9)}" for _ in range(NEW)]),
    }
    costs: dict[str, float] = {}
    for kind, (entity, values) in kinds.items():
        ours = Pseudonymiser(ring.tenant("bench"))
        costs[f"new_{kind}_us"] = _each(values, lambda value, ours=ours, entity=entity: ours.replace(entity, value))
        costs[f"cached_{kind}_us"] = _each(
            values * REPEATS, lambda value, ours=ours, entity=entity: ours.replace(entity, value)
        )
    other = CryptoPAn(KEY)
    for kind in ("ipv4", "ipv6"):
        values = kinds[kind][1][:_SLOW]
        costs[f"ipcrypt_{kind}_us"] = _each(values, lambda value: ipcrypt.pfx_encrypt(value, KEY))
        costs[f"yacryptopan_{kind}_us"] = _each(values, other.anonymize)
    return costs


def _each(values: Sequence[str], work: Callable[[str], object]) -> float:
    started = time.perf_counter()
    for value in values:
        work(value)
    return (time.perf_counter() - started) / len(values) * 1e6
