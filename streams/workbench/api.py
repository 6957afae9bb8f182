"""Requests and answers of the workbench's API: JSON in, JSON out, and every error in the same form.

An error is `{"error": …, "hints": […]}`; it says nothing of what was sent. Nothing of a request is logged.
"""

from http import HTTPStatus
from typing import Any, TypeVar

import msgspec
import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from schemas.errors import UserError
from streams.rollout import NotPublished
from streams.workbench.answers import Refused
from streams.workbench.guard import person

T = TypeVar("T")


async def asked(request: web.Request, form: type[T]) -> T:
    """The body as a struct.

    Raises:
        Refused: it is none, and where.
    """
    try:
        return msgspec.convert(orjson.loads(await request.read()), form)
    except orjson.JSONDecodeError:
        raise Refused(HTTPStatus.BAD_REQUEST, "the body is not JSON") from None
    except msgspec.ValidationError as problem:
        # msgspec quotes a wrong enum value: the place is enough
        place = str(problem).rpartition(" - at ")[2] if " - at " in str(problem) else "`$`"
        raise Refused(HTTPStatus.BAD_REQUEST, f"the body is not as expected, at {place}") from None


def answer(value: Any, status: int = 200) -> web.Response:
    """A struct, or what is made of structs, as JSON."""
    body = orjson.dumps(msgspec.to_builtins(value, str_keys=True))
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8")


def need_change(request: web.Request) -> None:
    """Only who may change rules goes on.

    Raises:
        Refused: they may only look.
    """
    if not person(request).may_change:
        raise Refused(
            HTTPStatus.FORBIDDEN, "you may look and try, not change: your account does not have the role for it"
        )


@web.middleware
async def errors_told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What a user can mend is told in full; what else goes wrong is the door's to tell."""
    try:
        return await handler(request)
    except NotPublished as refused:
        told = {"error": str(refused), "hints": refused.hints, "shortcomings": refused.shortcomings}
        return answer(told, 409)
    except UserError as problem:
        return answer({"error": str(problem), "hints": problem.hints}, 422)
