"""Where the workbench is, as browsers name it (RFC 6454)."""

from urllib.parse import urlsplit

import msgspec

from schemas.errors import UserError

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_PORTS = {"http": 80, "https": 443}


class Origin(msgspec.Struct, frozen=True):
    """Scheme, host as in a URL (IPv6 in brackets), port."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Origin":
        """An origin that a workbench may have.

        Raises:
            UserError: it is no origin, or plain http on a network.
        """
        hint = "it looks like https://workbench.example.com, without a path"
        try:
            parts = urlsplit(text)
            host, port = (parts.hostname or "").lower(), parts.port
        except ValueError:
            raise UserError("the workbench's origin is not a URL", hint) from None
        plain = parts.username is None and parts.path in ("", "/") and not parts.query and not parts.fragment
        if parts.scheme not in _PORTS or not host or not plain:
            raise UserError("the workbench's origin is not an origin", hint)
        if not is_private(text):
            raise UserError("the workbench's origin is plain http on a network: anybody on the way could read", hint)
        return cls(parts.scheme, f"[{host}]" if ":" in host else host, port or _PORTS[parts.scheme])

    def __str__(self) -> str:
        """As in the header `Origin`."""
        return f"{self.scheme}://{self._at(self.host)}"

    @property
    def secure(self) -> bool:
        """Whether cookies are for https only."""
        return self.scheme == "https"

    @property
    def hosts(self) -> frozenset[str]:
        """Values of the header `Host` by which we may be called: on loopback, by each of its names."""
        return frozenset(self._at(each) for each in (LOOPBACK if self.host in LOOPBACK else (self.host,)))

    def cookie(self, name: str) -> str:
        """A cookie's name. Cookies do not keep ports apart, so that two workbenches on one machine need two names.

        `__Host-`: no other host, however near, can have set it (RFC 6265bis, section 4.1.3.2).
        """
        return f"{'__Host-' if self.secure else ''}rmm-scrub-{name}-{self.port}"

    def _at(self, host: str) -> str:
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def is_private(url: str) -> bool:
    """Whether nobody on the way can read or alter what goes there: https, or http that stays on this machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    host = parts.hostname or ""
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and host in ("::1", *LOOPBACK)))
