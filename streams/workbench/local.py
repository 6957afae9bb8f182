"""Sign in on the machine that runs the workbench: a link that is good once."""

import getpass
from http import HTTPStatus
from typing import Literal
from urllib.parse import urlencode

from aiohttp import web

from streams.workbench.answers import Refused
from streams.workbench.sessions import LONGEST_SECONDS, Person
from streams.workbench.tickets import Tickets

LINK_SECONDS = 600.0  # it stands in a terminal, perhaps in its log: soon worthless, and at once when used
_TOKEN = "token"


class LocalSignIn:
    """Whoever can read the terminal that the workbench was started in is the account that started it."""

    same_site: Literal["Strict"] = "Strict"
    # Its owner's screen lock guards it, and coming back needs the terminal: a lunch must not cost the session.
    idle_seconds = LONGEST_SECONDS

    def __init__(self) -> None:
        user = getpass.getuser()
        self._person = Person(f"os:{user}", user, may_change=True)
        self._links: Tickets[Person] = Tickets(LINK_SECONDS, most=1)

    def url(self, origin: str) -> str:
        """A link to print, good once and for ten minutes; one printed earlier is good no longer."""
        return f"{origin.rstrip('/')}/?{urlencode({_TOKEN: self._links.issue(self._person)})}"

    def expects(self, request: web.Request) -> bool:
        """A visit by a link."""
        return request.method == "GET" and request.path == "/" and _TOKEN in request.query

    async def arrive(self, request: web.Request) -> Person:
        """Who holds a link.

        Raises:
            Refused: no link, or one that is good no longer.
        """
        arrived = self._links.redeem(request.query.get(_TOKEN, ""))
        if arrived is None:
            raise Refused(
                HTTPStatus.FORBIDDEN,
                "The workbench is entered by the link that it prints when it starts, good once and for ten minutes. "
                "For another link, start the workbench again.",
            )
        return arrived
