"""What an event does to accounts, over SCIM 2.0 (RFC 7644): each call sets what shall be, so repeating is harmless.

An account's `externalId` is `tenant/contact`. SCIM knows no sessions: ours end by `sessionsValidAfter`, an
extension attribute that the portal's login compares with a session's start.
"""

import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from typing import Any

import orjson
from tokens import Event

PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
EXTENSION = "urn:example:params:scim:schemas:extension:portal:2.0:User"
CALL_SECONDS = 10.0
_PASSING = frozenset({401, 403, 404, 408, 409, 425, 429})  # our credentials, a deployment, a conflict, too much at once


class Unavailable(Exception):
    """SCIM does not answer, or says that it is its own fault: try again later."""


class Rejected(Exception):
    """SCIM says that it will never do this: somebody must look at it."""


class Accounts:
    """Applies events to the accounts behind a SCIM base URL (`https://portal.example.com/scim/v2`)."""

    def __init__(self, base: str, token: str = "") -> None:
        self._base = base.rstrip("/")
        self._token = token

    def apply(self, event: Event) -> int:
        """Do what the event asks for; how many accounts it met. An unknown contact has no account: nothing to do.

        Raises:
            Unavailable: it could not be done now.
            Rejected: SCIM will not do it.
        """
        users = list(self._users(event))
        for user in users:
            if event.name == "account-purged":
                self._call("DELETE", f"/Users/{user['id']}")
            else:
                operations = list(_operations(event, user))
                self._call("PATCH", f"/Users/{user['id']}", {"schemas": [PATCH_OP], "Operations": operations})
        return len(users)

    def _users(self, event: Event) -> Iterator[dict[str, Any]]:
        place = f"{event.tenant}/{event.contact}"
        # `sw` (starts with) for everyone of a tenant: the slash keeps `acme` and `acme-2` apart.
        operator = "eq" if event.contact else "sw"
        query = urllib.parse.urlencode({"filter": f'externalId {operator} "{place}"', "count": 1_000})
        start = 1
        while True:
            page = self._call("GET", f"/Users?{query}&startIndex={start}")
            found = page.get("Resources", [])
            if not all(_is_of(each, event) for each in found):
                raise Rejected("SCIM's answer holds accounts that were not asked for")  # it ignored the filter
            yield from found
            start += len(found)
            if not found or start > page["totalResults"]:
                return

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"Content-Type": "application/scim+json", "Accept": "application/scim+json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        request = urllib.request.Request(  # noqa: S310 - the operator's own service
            self._base + path, orjson.dumps(body) if body is not None else None, headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=CALL_SECONDS) as answer:  # noqa: S310
                content = answer.read()
        except urllib.error.HTTPError as problem:
            if method == "DELETE" and problem.code == 404:  # gone already
                return {}
            if 400 <= problem.code < 500 and problem.code not in _PASSING:
                raise Rejected(f"SCIM says {problem.code}") from None
            raise Unavailable(f"SCIM says {problem.code}") from None
        except (OSError, HTTPException) as problem:
            raise Unavailable(type(problem).__name__) from None
        decoded: dict[str, Any] = orjson.loads(content) if content else {}
        return decoded


def _is_of(user: dict[str, Any], event: Event) -> bool:
    place, external = f"{event.tenant}/{event.contact}", str(user.get("externalId", ""))
    return external == place if event.contact else external.startswith(place)


def _operations(event: Event, user: dict[str, Any]) -> Iterator[dict[str, Any]]:
    match event.name:
        case "account-disabled":
            yield _replace("active", False)
        case "account-enabled":
            yield _replace("active", True)
        case "session-revoked":
            after = user.get(EXTENSION, {}).get("sessionsValidAfter", 0)
            # Now, by the clock that sessions begin by, not when the event was made: by another clock, and before.
            yield _replace(f"{EXTENSION}:sessionsValidAfter", max(after, int(time.time())))
        case "token-claims-change":
            claims = event.body["claims"]
            yield _replace("roles", [{"value": each} for each in claims["roles"]])
            yield _replace("entitlements", [{"value": each} for each in claims["rights"]])
        case "identifier-changed":
            yield _replace(f"{EXTENSION}:identifiersToVerify", event.body.get("changed", []))


def _replace(path: str, value: object) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}
