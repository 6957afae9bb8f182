"""`POST /v1/reverse` on a worker's web server: authorised reversal over HTTP (docs/access.md)."""

import asyncio
from typing import Any

import msgspec
from faust.web import View

from schemas.errors import UNDECODABLE, UserError
from streams.grants import Objection
from streams.identity import IdentityRefused
from streams.reversal import LONGEST_TEXT, Answer, Refusal, Request, ReversalRefused, Reverser

LONGEST_BODY = 4 * LONGEST_TEXT + 10_000  # bytes; UTF-8 takes up to four a character
# What is no fault of the grant: too many requests, too long a text, a tenant or epoch without keys.
_STATUS = {
    Refusal.RATE: 429,
    Refusal.TOO_LONG: 413,
    Refusal.NO_KEYS: 404,
    Refusal.NO_EPOCH: 404,
    Refusal.NO_PURPOSE: 400,
}


def add_reversal(app: Any, reverser: Reverser) -> None:
    """Serve reversals.

    The body is JSON (`tenant`, `purpose`, `text`, and `epoch` if it is known), the caller's OIDC token a bearer token
    (RFC 6750). Answers: 200; 400 for what is no request; 401 without a right token; 403 without a current
    grant; 404, 413, 429 as named; 503 when the audit log cannot be written or read.
    """

    @app.page("/v1/reverse")
    class Reversals(View):  # type: ignore[misc]
        async def post(self, request: Any) -> Any:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not token:
                return _problem(self, 401, "a bearer token is needed")
            if (request.content_length or 0) > LONGEST_BODY:
                return _problem(self, 413, str(Refusal.TOO_LONG))
            try:
                wanted = msgspec.json.decode(await request.read(), type=Request)
            except UNDECODABLE:
                return _problem(self, 400, "the body is no request: tenant, purpose, text, and epoch if known, in JSON")
            try:
                answer = await asyncio.to_thread(reverser.reverse, token, wanted)
            except IdentityRefused as refused:
                return _problem(self, 401, str(refused.rule))
            except ReversalRefused as refused:
                return _problem(self, _status(refused.reason), refused.reason)
            except UserError:  # AuditFailed; or the log, which holds the grants, cannot be read
                return _problem(self, 503, "the audit log cannot be reached: no record, no answer")
            return self.json(_body(answer), headers={"Cache-Control": "no-store"})


def _body(answer: Answer) -> dict[str, Any]:
    found = answer.reversal
    return {
        "text": found.text,
        "turned": [
            {"pseudonym": each.pseudonym, "value": each.value, "type": str(each.type), "epoch": each.epoch}
            for each in found.turned
        ],
        "unknown": list(found.unknown),
        "audit": answer.audit,
    }


def _status(reason: str) -> int:
    return 403 if reason in set(Objection) else _STATUS.get(Refusal(reason), 403)


def _problem(view: Any, status: int, reason: str) -> Any:
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        headers["WWW-Authenticate"] = 'Bearer realm="rmm-scrub", error="invalid_token"'
    return view.json({"error": reason}, status=status, headers=headers)
