"""One token to one receiver: taken, refused, or tried again."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from schemas.errors import UserError
from streams import delivery
from streams.broker import free_ports
from streams.delivery import TokenNotTaken, Transmitter, receiver_url, session
from tests.receiver import Receiver, refusal, serving, taken


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Waits are noted, not waited."""
    noted: list[float] = []

    async def sleep(seconds: float) -> None:
        noted.append(seconds)

    monkeypatch.setattr(delivery, "sleep", sleep)
    return noted


def deliver(receiver: Receiver, bearer: str = "") -> int:
    """Deliver a token; the number of repeated attempts."""

    async def run() -> int:
        async with session() as opened:
            transmitter = Transmitter(opened, receiver.url, bearer)
            await transmitter.deliver(b"a.b.c")
            return transmitter.retries

    return asyncio.run(run())


def first(*answers: web.Response):
    """These answers, then 202."""
    return lambda token, call: answers[call - 1] if call <= len(answers) else taken(token, call)


class TestDeliver:
    def test_sends_as_rfc_8935_says(self):
        """Media type, accepted answer, body; no authorisation unless there is a bearer token."""
        with serving() as receiver:
            assert deliver(receiver) == 0
        assert receiver.calls == [b"a.b.c"]
        assert receiver.headers[0]["Content-Type"] == "application/secevent+jwt"
        assert receiver.headers[0]["Accept"] == "application/json"
        assert "Authorization" not in receiver.headers[0]

    def test_shows_the_bearer_token(self):
        """To receivers that want one."""
        with serving() as receiver:
            deliver(receiver, "s3cret")
        assert receiver.headers[0]["Authorization"] == "Bearer s3cret"

    @pytest.mark.parametrize("status", [200, 204, 401, 403, 404, 413, 429, 500, 503])
    def test_anything_but_202_and_a_refusal_is_tried_again(self, status):
        """Also what looks like success: only 202 says that the token is stored."""
        with serving(first(web.Response(status=status), web.Response(status=status))) as receiver:
            assert deliver(receiver) == 2
        assert len(receiver.taken) == 1

    def test_a_redirect_is_not_followed(self):
        """A token goes nowhere else."""
        with serving(first(web.Response(status=307, headers={"Location": "/elsewhere"}))) as receiver:
            assert deliver(receiver) == 1

    @pytest.mark.parametrize("code", ["invalid_request", "invalid_key", "invalid_issuer", "invalid_audience", "other"])
    def test_a_refused_token_is_not_sent_again(self, code):
        """400 with an error code of the token's."""
        with serving(lambda *_: refusal(code)) as receiver, pytest.raises(TokenNotTaken) as caught:
            deliver(receiver)
        assert caught.value.code == code
        assert len(receiver.calls) == 1

    @pytest.mark.parametrize("code", ["authentication_failed", "access_denied"])
    def test_refused_credentials_are_no_refused_token(self, code):
        """Each token would meet the same: they wait until it is mended."""
        with serving(first(refusal(code))) as receiver:
            assert deliver(receiver) == 1

    @pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"err":3}'])
    def test_a_400_without_a_code_is_no_receivers(self, body):
        """A proxy's, or a wrong address."""
        with serving(first(web.Response(status=400, body=body))) as receiver:
            assert deliver(receiver) == 1

    def test_an_error_code_is_not_repeated_unless_it_is_a_word(self):
        """It goes into the log and the summary."""
        with serving(lambda *_: refusal("\x1b[31mjo@example.org")) as receiver, pytest.raises(TokenNotTaken) as caught:
            deliver(receiver)
        assert caught.value.code == "unspecified"

    def test_a_receiver_that_is_away_is_waited_for(self, waits, monkeypatch):
        """Longer each time, up to a minute, then it is there."""

        async def run(right: str) -> None:
            async with session() as opened:
                transmitter = Transmitter(opened, f"http://127.0.0.1:{free_ports(1)[0]}/")

                async def sleep(seconds: float) -> None:
                    waits.append(seconds)
                    transmitter._url = right if len(waits) == 12 else transmitter._url

                monkeypatch.setattr(delivery, "sleep", sleep)
                await transmitter.deliver(b"t")

        with serving() as receiver:
            asyncio.run(run(receiver.url))
        assert receiver.taken == [b"t"]
        assert waits[0] <= 0.5 < waits[2] < waits[5]
        assert 30 <= waits[-1] <= 60

    @pytest.mark.parametrize("status", [429, 503])
    def test_waits_as_long_as_it_is_asked_to(self, status, waits):
        """Retry-After in seconds."""
        with serving(first(web.Response(status=status, headers={"Retry-After": "120"}))) as receiver:
            deliver(receiver)
        assert waits == [120.0]

    def test_waits_until_the_date_it_is_asked_to(self, waits):
        """Retry-After as a date."""
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
        with serving(first(web.Response(status=503, headers={"Retry-After": date}))) as receiver:
            deliver(receiver)
        assert 90 < waits[0] <= 100

    @pytest.mark.parametrize(("asked", "longest"), [("999999999999", 3_600), ("soon", 0.5), ("-5", 0.5)])
    def test_does_not_wait_for_ever(self, asked, longest, waits):
        """At most an hour, and not at all for what is no time."""
        with serving(first(web.Response(status=503, headers={"Retry-After": asked}))) as receiver:
            deliver(receiver)
        assert waits[0] <= longest


class TestReceiverUrl:
    @pytest.mark.parametrize(
        "url", ["https://portal.example.com/events", "http://127.0.0.1:80/", "http://localhost/x", "http://[::1]:8/"]
    )
    def test_https_or_this_machine(self, url):
        """As given."""
        assert receiver_url(url) == url

    @pytest.mark.parametrize(
        "url",
        [
            "http://portal.example.com/",
            "http://127.0.0.1.example.com/",
            "ftp://localhost/",
            "portal.example.com",
            "https://",
            "https://x:y/",
            "https://jo:pw@portal.example.com/",
            "http://[::1/",
            "",
        ],
    )
    def test_nothing_else(self, url):
        """And the URL is not repeated, it may hold a password."""
        with pytest.raises(UserError) as caught:
            receiver_url(url)
        assert "pw" not in str(caught.value)
