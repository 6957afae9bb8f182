"""What the door itself says: pages without script or style, errors for scripts, and the headers of every answer."""

from html import escape
from http import HTTPStatus

import orjson
from aiohttp import web

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_UNUSED = "accelerometer camera display-capture geolocation gyroscope microphone midi payment usb".split()
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{each}=()" for each in _UNUSED),
}

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>{title} – rmm-scrub workbench</title>
<link rel="icon" href="/static/icon.svg">
</head>
<body>
<main>
<h1>{title}</h1>
<p>{told}</p>
<p><a href="/">To the workbench</a></p>
</main>
</body>
</html>
"""


class Refused(Exception):
    """A request that is not let in: the status, and what its sender is told, which holds nothing of the request."""

    def __init__(self, status: HTTPStatus, told: str) -> None:
        super().__init__(told)
        self.status = status
        self.told = told


def page(told: str, *, title: str = "", status: int = 200) -> web.Response:
    """A page that says one thing; its title is the status unless another is given."""
    text = _PAGE.format(title=escape(title or HTTPStatus(status).phrase), told=escape(told))
    return web.Response(text=text, status=status, content_type="text/html")


def error(told: str, status: int) -> web.Response:
    """An error for a script."""
    return web.Response(body=orjson.dumps({"error": told}), status=status, content_type="application/json")


def see(place: str) -> web.Response:
    """Look there instead."""
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": place})
