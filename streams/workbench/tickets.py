"""Things that are known by a secret which only one browser has."""

import hashlib
import secrets
import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

T = TypeVar("T")

_SECRET_BYTES = 32  # 256 bits: nobody guesses one, however many there are

Clock = Callable[[], float]


def secret() -> str:
    """A new random secret, fit for a URL, a cookie and a header."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def same(one: str, other: str) -> bool:
    """Whether two secrets are equal, in a time that does not say where they differ."""
    return secrets.compare_digest(one.encode(errors="surrogatepass"), other.encode(errors="surrogatepass"))


class Tickets(Generic[T]):
    """Keeps at most `most` things for `life` seconds each, by the SHA-256 of a secret; the oldest goes first.

    The clock is the wall's: a monotonic one stands still while a laptop sleeps, and what should end overnight
    would not.
    """

    def __init__(self, life: float, most: int, clock: Clock = time.time) -> None:
        self._life = life
        self._most = most
        self._clock = clock
        self._kept: dict[bytes, tuple[float, T]] = {}  # in the order of their ends

    def issue(self, what: T) -> str:
        """Keep `what`; the secret that leads to it."""
        now = self._clock()
        self.forget([key for key, (end, _) in self._kept.items() if end <= now])
        while len(self._kept) >= self._most:
            del self._kept[next(iter(self._kept))]
        issued = secret()
        self._kept[_key(issued)] = (now + self._life, what)
        return issued

    def find(self, given: str) -> T | None:
        """What a secret leads to; None if it leads to nothing, or its time is over."""
        end, what = self._kept.get(_key(given), (0.0, None))
        return what if self._clock() < end else None

    def redeem(self, given: str) -> T | None:
        """The same, once: the secret is worth nothing afterwards."""
        found = self.find(given)
        self._kept.pop(_key(given), None)
        return found

    def kept(self) -> list[tuple[bytes, T]]:
        """Everything that is kept, the oldest first, by what `forget` takes."""
        return [(key, what) for key, (_, what) in self._kept.items()]

    def forget(self, keys: Iterable[bytes]) -> None:
        """Keep these no longer."""
        for key in keys:
            del self._kept[key]


def _key(given: str) -> bytes:
    # A look-up by digest takes no time that depends on the secret, and a copy of our memory signs nobody in.
    return hashlib.sha256(given.encode(errors="surrogatepass")).digest()
