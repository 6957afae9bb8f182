"""A shared workbench and its issuer, and the way through both."""

from typing import NamedTuple
from urllib.parse import urlsplit

from streams.workbench.oidc import OidcSignIn
from tests.streams.workbench.browsers import Answer, Browser, World, workbench
from tests.streams.workbench.provider import OpenIdProvider


class Place(NamedTuple):
    """A shared workbench and its issuer."""

    world: World
    origin: str
    provider: OpenIdProvider

    def browser(self) -> Browser:
        """A browser without cookies."""
        return self.world.browser(self.origin)

    def served(self, **access: str) -> Browser:
        """Serve the workbench with these settings; a browser before it."""
        sign_in = OidcSignIn(self.provider.access(**access), self.origin)
        self.world.serve(workbench(sign_in, self.origin), urlsplit(self.origin).port)
        return self.browser()


def way_back(browser: Browser) -> str:
    """Go to the issuer and sign in there: where it sends the browser then."""
    to_issuer = browser.get("/").headers["Location"]
    return browser.get(to_issuer).headers["Location"]


def sign_in(browser: Browser) -> Answer:
    """All the way; the answer at its end."""
    return browser.get(way_back(browser))
