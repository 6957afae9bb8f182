"""Requests and answers of the workbench's API: JSON in, JSON out, and every error in the same form.

An error is `{"error": …, "hints": […]}`; it says nothing of what was sent. Nothing of a request is logged.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any, NoReturn, TypeVar

import msgspec
import orjson
from aiohttp import web

from schemas.errors import UserError
from streams.rollout import NotPublished
from streams.workbench.guard import person

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
T = TypeVar("T")


async def asked(request: web.Request, form: type[T]) -> T:
    """The body as a struct.

    Raises:
        web.HTTPBadRequest: it is none, and where.
    """
    try:
        return msgspec.convert(orjson.loads(await request.read()), form)
    except orjson.JSONDecodeError:
        _refuse(web.HTTPBadRequest, "the body is not JSON")
    except msgspec.ValidationError as problem:
        # msgspec quotes a wrong enum value: the place is enough
        place = str(problem).rpartition(" - at ")[2] if " - at " in str(problem) else "`$`"
        _refuse(web.HTTPBadRequest, f"the body is not as expected, at {place}")


def answer(value: Any, status: int = 200) -> web.Response:
    """A struct, or what is made of structs, as JSON."""
    body = orjson.dumps(msgspec.to_builtins(value, str_keys=True))
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8")


def need_change(request: web.Request) -> None:
    """Only who may change rules goes on.

    Raises:
        web.HTTPForbidden: they may only look.
    """
    if not person(request).may_change:
        _refuse(web.HTTPForbidden, "you may look and try, not change: your account does not have the role for it")


@web.middleware
async def errors_told(request: web.Request, handler: Handler) -> web.StreamResponse:
    """What a user can mend is told; of anything else only its kind is logged: its text could hold a value."""
    try:
        return await handler(request)
    except NotPublished as refused:
        told = {"error": str(refused), "hints": refused.hints, "shortcomings": refused.shortcomings}
        return answer(told, 409)
    except UserError as problem:
        return answer({"error": str(problem), "hints": problem.hints}, 422)
    except web.HTTPException:
        raise
    except Exception as problem:  # noqa: BLE001 - a page must hear something, and a log nothing of a text
        log.error("%s %s: %s", request.method, request.match_info.route.name or "-", type(problem).__name__)  # noqa: TRY400
        return answer({"error": "that went wrong here; the workbench's log says which kind of error it was"}, 500)


def _refuse(kind: type[web.HTTPException], why: str) -> NoReturn:
    raise kind(body=orjson.dumps({"error": why, "hints": []}), content_type="application/json")
