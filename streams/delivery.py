"""Hand Security Event Tokens to a receiver over HTTP, for as long as it takes (RFC 8935, push delivery)."""

import logging
import random
import re
import ssl
from asyncio import sleep
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from http import HTTPStatus
from ipaddress import ip_address
from urllib.parse import urlsplit

import aiohttp
import orjson

from schemas.errors import UserError
from streams.revocations import CONTENT_TYPE

log = logging.getLogger(__name__)

FIRST_WAIT = 0.5  # seconds before the second attempt; each later wait is twice as long
LONGEST_WAIT = 60.0
LONGEST_ASKED = 3_600.0  # what a receiver may ask for by Retry-After
CALL_SECONDS = 30.0
UNSPECIFIED = "unspecified"  # what stands for an error code that is no word: it could hold anything
_ANSWER_BYTES = 16_384
_CODE = re.compile(r"[a-z_]{1,64}")


class Credentials(StrEnum):
    """Refusals of us, not of the token (RFC 8935, section 2.4): the next token would meet the same."""

    AUTHENTICATION_FAILED = "authentication_failed"
    ACCESS_DENIED = "access_denied"


class TokenNotTaken(Exception):
    """The receiver will never take this token; `code` is its `err` (RFC 8935, section 2.4)."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _NotNow(Exception):
    """No answer yet that settles it; `wait` is what the receiver asks for, in seconds."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


def receiver_url(text: str) -> str:
    """A URL that tokens may be sent to: https, or http on this machine.

    Raises:
        UserError: it is another.
    """
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        parts.port  # noqa: B018 - raises when it is no number
    except ValueError:
        raise UserError("--to is not a URL", "it looks like https://portal.example.com/events") from None
    if parts.username is not None or parts.password is not None:
        raise UserError("--to holds a password", "give a bearer token by RMM_SCRUB_PUSH_TOKEN")
    if not host or parts.scheme not in ("https", "http"):
        raise UserError("--to is not a URL", "it looks like https://portal.example.com/events")
    if parts.scheme == "http" and not _is_loopback(host):
        raise UserError("--to is plain http: anybody on the way could drop revocations", "use https")
    return text


class Transmitter:
    """Delivers tokens to one receiver. `retries` counts attempts that were not the last."""

    def __init__(self, session: aiohttp.ClientSession, url: str, bearer: str = "") -> None:
        self.retries = 0
        self._session = session
        self._url = url
        self._headers = {"Content-Type": CONTENT_TYPE, "Accept": "application/json"}
        if bearer:
            self._headers["Authorization"] = f"Bearer {bearer}"

    async def deliver(self, token: bytes) -> None:
        """Return when the receiver has taken the token (202); try until it has.

        Only a refusal of the token itself (400 with an error code) ends it otherwise: whatever else goes
        wrong, a redirect and a wrong path included, may be mended, and a revocation must not be skipped.

        Raises:
            TokenNotTaken: the receiver refuses it.
        """
        attempt = 0
        while True:
            try:
                return await self._attempt(token)
            except _NotNow as problem:
                attempt += 1
                self.retries += 1
                wait = max(problem.wait, _backoff(attempt))
                log.warning("push: %s; attempt %d in %.1f s", problem, attempt + 1, wait)
                await sleep(wait)

    async def _attempt(self, token: bytes) -> None:
        try:
            async with self._session.post(
                self._url, data=token, headers=self._headers, allow_redirects=False
            ) as response:
                if response.status == HTTPStatus.ACCEPTED:
                    return
                code = _code(await response.content.read(_ANSWER_BYTES)) if response.status == 400 else None
                if code is not None and code not in tuple(Credentials):
                    raise TokenNotTaken(code)
                told = f"{response.status} {code}" if code else str(response.status)
                raise _NotNow(f"the receiver answers {told}", _asked(response.headers.get("Retry-After")))
        except (aiohttp.ClientError, OSError, TimeoutError) as problem:
            # The type only: the text of an aiohttp error may hold the answer.
            raise _NotNow(f"the receiver cannot be reached ({type(problem).__name__})") from None


def session() -> aiohttp.ClientSession:
    """A session for a transmitter: certificates are checked, a call ends within 30 seconds."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=CALL_SECONDS),
        connector=aiohttp.TCPConnector(ssl=ssl.create_default_context()),
        auto_decompress=False,  # an answer of ours is small: nothing to unpack
        cookie_jar=aiohttp.DummyCookieJar(),
    )


def _backoff(attempt: int, chance: Callable[[float, float], float] = random.uniform) -> float:
    """Exponential, with jitter over its upper half, so that senders do not come back all at once."""
    longest = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempt - 1, 16))
    return chance(longest / 2, longest)


def _asked(retry_after: str | None) -> float:
    """Seconds that `Retry-After` asks for, a number or a date (RFC 9110, section 10.2.3); 0 for nothing."""
    if retry_after is None:
        return 0.0
    if retry_after.isascii() and retry_after.isdigit():
        return min(LONGEST_ASKED, float(retry_after[:9]))
    try:
        until = parsedate_to_datetime(retry_after)
    except ValueError:
        return 0.0
    aware = until if until.tzinfo else until.replace(tzinfo=UTC)
    return min(LONGEST_ASKED, max(0.0, (aware - datetime.now(UTC)).total_seconds()))


def _code(body: bytes) -> str | None:
    """The error code of a refusal; None where the answer has none, and thus is no receiver's."""
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    code = answer.get("err") if isinstance(answer, dict) else None
    if not isinstance(code, str):
        return None
    return code if _CODE.fullmatch(code) else UNSPECIFIED


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
