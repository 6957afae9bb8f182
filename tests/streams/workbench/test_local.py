"""On one's own machine a link signs in: once, and not for long."""

import getpass
from urllib.parse import parse_qs, urlsplit

import pytest

from schemas.errors import UserError
from streams.workbench import guard, local
from streams.workbench.local import LocalSignIn
from streams.workbench.origin import Origin
from tests.streams.workbench.browsers import Browser, World, free_origin, workbench


@pytest.fixture
def sign_in() -> LocalSignIn:
    """As when the workbench starts."""
    return LocalSignIn()


@pytest.fixture
def browser(world: World, sign_in: LocalSignIn) -> Browser:
    """Before the door, without a session."""
    origin, port = free_origin()
    world.serve(workbench(sign_in, origin), port)
    return world.browser(origin)


def test_the_link_signs_in_who_started_the_workbench(browser, sign_in):
    """As the audit log calls them; the token does not stay in the address bar."""
    entered = browser.get(sign_in.url(browser.base))
    assert (entered.status, entered.headers["Location"]) == (303, "/")
    who = browser.get("/").json
    user = getpass.getuser()
    assert (who["id"], who["name"], who["may_change"]) == (f"os:{user}", user, True)


def test_the_token_is_256_bits(sign_in):
    """In a link to the page itself."""
    parts = urlsplit(sign_in.url("http://127.0.0.1:8070"))
    assert (parts.netloc, parts.path) == ("127.0.0.1:8070", "/")
    assert len(parse_qs(parts.query)["token"][0]) == 43


def test_a_link_is_good_once(browser, sign_in, world):
    """For whoever comes second it is a page without script, which says how to get another."""
    link = sign_in.url(browser.base)
    browser.get(link)
    second = world.browser(browser.base).get(link)
    assert second.status == 403
    assert "start the workbench again" in second.text
    assert "<script" not in second.text
    assert "style" not in second.text
    assert "Set-Cookie" not in second.headers


def test_a_link_is_not_good_for_long(world, monkeypatch):
    """Ten minutes."""
    assert local.LINK_SECONDS == 600
    monkeypatch.setattr(local, "LINK_SECONDS", 0.0)
    sign_in, (origin, port) = LocalSignIn(), free_origin()
    world.serve(workbench(sign_in, origin), port)
    assert world.browser(origin).get(sign_in.url(origin)).status == 403


@pytest.mark.parametrize("place", ["/", "/?token=", "/?token=wrong", "/?token=%ff%00", "/?other=1", "/elsewhere"])
def test_without_the_link_nobody_comes_in(browser, place):
    """And nothing of what was tried is on the page."""
    refused = browser.get(place)
    assert refused.status == 403
    assert "wrong" not in refused.text


def test_a_wrong_token_does_not_spend_the_right_one(browser, sign_in):
    """Whoever guesses locks nobody out."""
    link = sign_in.url(browser.base)
    browser.get("/?token=wrong")
    assert browser.get(link).status == 303


def test_a_look_at_the_link_does_not_spend_it(browser, sign_in):
    """HEAD, as programs send that show a preview."""
    link = sign_in.url(browser.base)
    assert browser.ask("HEAD", link).status == 401
    assert browser.get(link).status == 303


def test_a_new_link_ends_the_one_before(browser, sign_in):
    """There is one at a time."""
    old, new = sign_in.url(browser.base), sign_in.url(browser.base)
    assert browser.get(old).status == 403
    assert browser.get(new).status == 303


def test_a_link_in_a_browser_that_is_signed_in_begins_anew(browser, sign_in, world):
    """The token leaves the address bar then, too; the session before it ends."""
    before = browser.get(sign_in.url(browser.base)).cookie
    after = browser.get(sign_in.url(browser.base))
    assert (after.status, after.headers["Location"]) == (303, "/")
    assert browser.get("/").status == 200
    assert world.browser(browser.base).get("/", Cookie=f"{before.key}={before.value}").status == 403


def test_the_cookie_stays_here(browser, sign_in):
    """No script, no other site, and no other workbench on this machine has it."""
    cookie = browser.get(sign_in.url(browser.base)).cookie
    assert cookie.key == f"rmm-scrub-session-{urlsplit(browser.base).port}"
    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Strict", "/", "")
    assert not cookie["secure"]
    assert (cookie["max-age"], cookie["expires"]) == ("", "")


def test_over_https_the_cookie_is_this_hosts_only(world, sign_in):
    """`__Host-`, which needs `Secure`."""
    _, port = free_origin()
    world.serve(workbench(sign_in, "https://workbench.example"), port)
    link = sign_in.url("")
    cookie = world.browser(f"http://127.0.0.1:{port}").get(link, Host="workbench.example").cookie
    assert cookie.key == "__Host-rmm-scrub-session-443"
    assert (cookie["secure"], cookie["httponly"], cookie["path"], cookie["domain"]) == (True, True, "/", "")


class TestOrigin:
    @pytest.mark.parametrize(
        ("text", "named"),
        [
            ("http://127.0.0.1:8070", "http://127.0.0.1:8070"),
            ("http://localhost:80/", "http://localhost"),
            ("http://[::1]:8070", "http://[::1]:8070"),
            ("https://Workbench.Example:443", "https://workbench.example"),
            ("https://workbench.example:8443", "https://workbench.example:8443"),
        ],
    )
    def test_is_named_as_browsers_name_it(self, text, named):
        """Without the scheme's own port."""
        assert str(Origin.parse(text)) == named

    @pytest.mark.parametrize(
        "text",
        [
            "http://workbench.example",
            "http://127.0.0.1.example",
            "ftp://localhost",
            "https://",
            "workbench.example",
            "https://workbench.example/path",
            "https://workbench.example?x",
            "https://jo:pw@workbench.example",
            "https://workbench.example:x",
            "http://[::1",
        ],
    )
    def test_is_refused_where_others_could_listen_or_it_is_none(self, text):
        """And is not repeated."""
        with pytest.raises(UserError) as refused:
            Origin.parse(text)
        assert "pw" not in str(refused.value)


def test_a_door_stands_only_where_nobody_listens(sign_in):
    """Plain http on a network is refused at the start."""
    with pytest.raises(UserError):
        guard.install(workbench(sign_in, "http://localhost:1"), sign_in, "http://10.0.0.1:8070")
