"""A small SCIM 2.0 service (RFC 7643, RFC 7644) over SQLite: /Users with create, read, filter, PATCH, delete."""

import re
import sqlite3
import uuid
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
EXTENSION = "urn:example:params:scim:schemas:extension:portal:2.0:User"
_LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
_FILTER = re.compile(r'(userName|externalId) (eq|sw) "([^"\\]{0,300})"', re.IGNORECASE)
_ATTRIBUTES = frozenset({"active", "roles", "entitlements", "userName", "externalId", "displayName"})


class Problem(Exception):
    """An error answer (RFC 7644 section 3.12)."""

    def __init__(self, status: int, detail: str, kind: str = "") -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind


class Store:
    """Users in one SQLite file."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS users (id TEXT PRIMARY KEY, external TEXT UNIQUE, name TEXT, body BLOB)"
        )
        self._db.execute("CREATE INDEX IF NOT EXISTS names ON users (name)")

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        """A new user; a second one of the same externalId is refused."""
        if not isinstance(body.get("userName"), str):
            raise Problem(400, "userName is required", "invalidValue")
        user = {"schemas": [USER, EXTENSION], "active": True, **body, "id": uuid.uuid4().hex}
        try:
            with self._db:
                self._db.execute(
                    "INSERT INTO users VALUES (?, ?, ?, ?)",
                    (user["id"], user.get("externalId"), user["userName"], orjson.dumps(user)),
                )
        except sqlite3.IntegrityError:
            raise Problem(409, "there is a user of this externalId", "uniqueness") from None
        return user

    def get(self, key: str) -> dict[str, Any]:
        """The user of an id."""
        row = self._db.execute("SELECT body FROM users WHERE id = ?", (key,)).fetchone()
        if row is None:
            raise Problem(404, "no such user")
        found: dict[str, Any] = orjson.loads(row[0])
        return found

    def find(self, text: str | None, start: int, count: int) -> tuple[int, list[dict[str, Any]]]:
        """How many users a filter meets, and a page of them in the order of their ids; all without one."""
        where, values = _where(text)
        [total] = self._db.execute(f"SELECT count(*) FROM users {where}", values).fetchone()  # noqa: S608 - ours
        query = f"SELECT body FROM users {where} ORDER BY id LIMIT ? OFFSET ?"  # noqa: S608
        rows = self._db.execute(query, (*values, count, start - 1))
        return total, [orjson.loads(body) for (body,) in rows]

    def patch(self, key: str, body: dict[str, Any]) -> dict[str, Any]:
        """A user after all operations, or unchanged if one of them is wrong."""
        user = self.get(key)
        operations = body.get("Operations")
        if not isinstance(operations, list):
            raise Problem(400, "Operations are required", "invalidSyntax")
        for each in operations:
            _patch(user, each)
        with self._db:
            self._db.execute(
                "UPDATE users SET external = ?, name = ?, body = ? WHERE id = ?",
                (user.get("externalId"), user.get("userName"), orjson.dumps(user), key),
            )
        return user

    def delete(self, key: str) -> None:
        """Remove a user."""
        self.get(key)
        with self._db:
            self._db.execute("DELETE FROM users WHERE id = ?", (key,))


def _where(text: str | None) -> tuple[str, tuple[str, ...]]:
    """The condition of a filter; what begins with a text lies between it and the text with its last letter raised."""
    if text is None:
        return "", ()
    match = _FILTER.fullmatch(text.strip())
    if match is None or not match[3]:
        raise Problem(400, "this filter is not supported", "invalidFilter")
    column = "name" if match[1].lower() == "username" else "external"
    if match[2].lower() == "eq":
        return f"WHERE {column} = ?", (match[3],)
    return f"WHERE {column} >= ? AND {column} < ?", (match[3], match[3][:-1] + chr(ord(match[3][-1]) + 1))


def _number(request: web.Request, name: str, default: int) -> int:
    try:
        return int(request.query.get(name, default))
    except ValueError:
        raise Problem(400, f"{name} is a number", "invalidValue") from None


def _patch(user: dict[str, Any], operation: dict[str, Any]) -> None:
    """One operation, with a path, or without one and an object of values (some clients take only that form)."""
    if not isinstance(operation, dict) or str(operation.get("op", "")).lower() not in ("replace", "add"):
        raise Problem(400, "replace and add are supported", "invalidSyntax")
    if "path" not in operation:
        if not isinstance(operation.get("value"), dict):
            raise Problem(400, "without a path, the value is an object", "invalidValue")
        for path, value in operation["value"].items():
            _set(user, path, value)
        return
    _set(user, str(operation["path"]), operation.get("value"))


def _set(user: dict[str, Any], path: str, value: object) -> None:
    if path.startswith(f"{EXTENSION}:"):
        user.setdefault(EXTENSION, {})[path.removeprefix(f"{EXTENSION}:")] = value
    elif path in _ATTRIBUTES:
        user[path] = value
    else:
        raise Problem(400, "no such attribute", "invalidPath")


def application(store: Store, token: str = "") -> web.Application:
    """The service under /scim/v2; with a `token`, only for callers who bring it."""

    @web.middleware
    async def answers(request: web.Request, handler: Any) -> web.StreamResponse:
        if token and request.headers.get("Authorization") != f"Bearer {token}":
            return _error(Problem(401, "a bearer token is needed"))
        try:
            response: web.StreamResponse = await handler(request)
        except Problem as problem:
            return _error(problem)
        return response

    async def users(request: web.Request) -> web.Response:
        start, count = _number(request, "startIndex", 1), _number(request, "count", 100)
        total, page = store.find(request.query.get("filter"), max(1, start), max(0, count))
        counts = {"totalResults": total, "startIndex": max(1, start), "itemsPerPage": len(page)}
        return _json({"schemas": [_LIST], **counts, "Resources": page})

    async def create(request: web.Request) -> web.Response:
        return _json(store.create(await _body(request)), 201)

    async def user(request: web.Request) -> web.Response:
        return _json(store.get(request.match_info["id"]))

    async def patch(request: web.Request) -> web.Response:
        return _json(store.patch(request.match_info["id"], await _body(request)))

    async def delete(request: web.Request) -> web.Response:
        store.delete(request.match_info["id"])
        return web.Response(status=204)

    app = web.Application(middlewares=[answers])
    app.add_routes(
        [
            web.get("/scim/v2/Users", users),
            web.post("/scim/v2/Users", create),
            web.get("/scim/v2/Users/{id}", user),
            web.patch("/scim/v2/Users/{id}", patch),
            web.delete("/scim/v2/Users/{id}", delete),
        ]
    )
    return app


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        raise Problem(400, "the body is not JSON", "invalidSyntax") from None
    if not isinstance(body, dict):
        raise Problem(400, "the body is an object", "invalidSyntax")
    return body


def _error(problem: Problem) -> web.Response:
    error = {"schemas": [_ERROR], "status": str(problem.status), "detail": str(problem)}
    return _json(error | ({"scimType": problem.kind} if problem.kind else {}), problem.status)


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/scim+json")
