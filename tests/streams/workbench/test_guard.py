"""Other pages cannot use the workbench, and what it says holds nothing of what was asked."""

import asyncio
import logging
from urllib.parse import urlsplit

import aiohttp
import pytest

from streams.workbench import guard, sessions
from streams.workbench.local import LocalSignIn
from tests.streams.workbench.browsers import Browser, World, free_origin, workbench

NEEDS_SESSION = ("/", "/api/changes", "/broken", "/nothing", "/api/nothing")


@pytest.fixture
def outside(world: World) -> Browser:
    """Before the door."""
    sign_in, (origin, port) = LocalSignIn(), free_origin()
    world.serve(workbench(sign_in, origin), port)
    browser = world.browser(origin)
    browser.link = sign_in.url(origin)
    return browser


@pytest.fixture
def inside(outside: Browser) -> Browser:
    """Signed in."""
    outside.get(outside.link)
    return outside


@pytest.fixture
def csrf(inside: Browser) -> str:
    """What the pages of the one who is inside know."""
    return inside.get("/").json["csrf"]


class TestHost:
    @pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
    def test_each_name_of_this_machine_is_ours(self, inside, name):
        """With our port."""
        assert inside.get("/", Host=f"{name}:{urlsplit(inside.base).port}").status == 200

    @pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "127.0.0.1.evil.example:{port}", ""])
    @pytest.mark.parametrize("place", ["/", "/api/changes", "/static/app.js", "/signed-out"])
    def test_another_name_for_our_address_is_refused(self, inside, host, place):
        """DNS rebinding: the browser thinks that it is at the attacker's."""
        host = host.format(port=urlsplit(inside.base).port)
        refused = inside.get(place, Host=host)
        assert refused.status == 421
        assert "evil" not in refused.text

    def test_a_rebound_name_does_not_spend_the_link(self, outside):
        """The door is before the sign-in."""
        assert outside.get(outside.link, Host="evil.example").status == 421
        assert outside.get(outside.link).status == 303


class TestOtherPages:
    @pytest.mark.parametrize(
        "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://localhost:{port}"]
    )
    def test_another_origin_changes_nothing_even_with_the_right_token(self, inside, csrf, origin):
        """Another port of this machine is another origin, too."""
        origin = origin.format(port=urlsplit(inside.base).port)
        assert inside.post("/api/changes", {}, X_CSRF_Token=csrf, Origin=origin).status == 403
        assert inside.get("/api/changes").json == []

    @pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
    def test_another_site_changes_nothing(self, inside, csrf, site):
        """As the browser itself says. `same-site` is any other port of this machine."""
        assert inside.post("/api/changes", {}, X_CSRF_Token=csrf, Sec_Fetch_Site=site).status == 403
        assert inside.get("/api/changes").json == []

    def test_our_own_page_may(self, inside, csrf):
        """With what a browser sends from it."""
        headers = {"X_CSRF_Token": csrf, "Origin": inside.base, "Sec_Fetch_Site": "same-origin"}
        assert inside.post("/api/changes", {"a": 1}, **headers).status == 204
        assert inside.get("/api/changes").json == ['{"a":1}']

    def test_another_page_cannot_read(self, inside):
        """Neither by a script nor by a frame nor by an image; a socket says its origin."""
        elsewhere = {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Dest": "empty", "Sec_Fetch_Mode": "no-cors"}
        framed = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Dest": "iframe", "Sec_Fetch_Mode": "navigate"}
        assert inside.get("/api/changes", **elsewhere).status == 403
        assert inside.get("/static/app.js", **elsewhere).status == 403
        assert inside.get("/", **framed).status == 403
        assert inside.get("/api/changes", Origin="https://evil.example", Upgrade="websocket").status == 403

    def test_another_page_may_lead_to_us(self, inside):
        """A link in a ticket or a chat."""
        visit = {"Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
        assert inside.get("/", Sec_Fetch_Site="cross-site", **visit).status == 200
        assert inside.get("/", Sec_Fetch_Site="none", **visit).status == 200


class TestChanges:
    @pytest.mark.parametrize("token", [None, "", "wrong", "\xe9"])
    def test_need_the_token_of_the_page(self, inside, token):
        """Whatever it is instead."""
        headers = {} if token is None else {"X_CSRF_Token": token}
        assert inside.post("/api/changes", {}, **headers).status == 403
        assert inside.get("/api/changes").json == []

    def test_need_the_token_of_this_session(self, inside, csrf, world):
        """Another's does not do, and none without a session."""
        stranger = world.browser(inside.base)
        assert stranger.post("/api/changes", {}, X_CSRF_Token=csrf).status == 401
        assert inside.get("/api/changes").json == []

    @pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "PROPFIND"])
    def test_need_it_by_whatever_method(self, inside, csrf, method):
        """Also one that nobody has heard of; what no handler takes says what one would."""
        assert inside.ask(method, "/api/changes").status == 403
        refused = inside.ask(method, "/api/changes", headers={"X-CSRF-Token": csrf})
        assert (refused.status, refused.headers["Allow"]) == (405, "GET,HEAD,POST")

    @pytest.mark.parametrize(
        "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
    )
    def test_are_json(self, inside, csrf, kind):
        """What a form can send is not taken."""
        headers = {"X-CSRF-Token": csrf, "Content-Type": kind}
        assert inside.ask("POST", "/api/changes", data=b"{}", headers=headers).status == 415
        assert inside.get("/api/changes").json == []

    def test_may_have_no_body(self, inside, csrf):
        """Then no type is needed; and a charset does not harm."""
        assert inside.post("/api/changes", X_CSRF_Token=csrf).status == 204
        headers = {"X-CSRF-Token": csrf, "Content-Type": "application/json; charset=utf-8"}
        assert inside.ask("POST", "/api/changes", data=b"{}", headers=headers).status == 204


class TestSession:
    def test_without_one_an_api_says_so(self, outside):
        """In JSON; whether there is such an API is not said."""
        for place in ("/api/changes", "/api/nothing"):
            refused = outside.get(place)
            assert (refused.status, refused.json) == (401, {"error": "sign in first"})

    @pytest.mark.parametrize(
        ("place", "status"),
        [
            ("/%61pi/changes", 401),
            ("/api/%2e%2e/api/changes", 401),
            ("/api/../api/changes", 401),
            ("//api/changes", 403),
            ("/static/../api/changes", 404),
            ("/static/%2e%2e/api/changes", 404),
            ("/static%2Fapp.js/named", 403),
        ],
    )
    def test_without_one_no_spelling_of_a_path_comes_in(self, outside, place, status):
        """Escapes and detours; the last one is a page whose name only looks like a script's place."""
        assert outside.get(place).status == status

    def test_what_holds_no_secret_needs_none(self, outside):
        """Scripts and styles, and that one is signed out."""
        assert outside.get("/static/app.js").status == 200
        assert outside.get("/signed-out").status == 200

    def test_what_a_page_loads_signs_nobody_in(self, outside):
        """An icon, a request of a script: only a visit does."""
        assert outside.get("/favicon.ico", Sec_Fetch_Mode="no-cors", Sec_Fetch_Dest="image").status == 401

    def test_ends_when_nothing_is_done(self, world, monkeypatch):
        """Pages and API alike."""
        monkeypatch.setattr(LocalSignIn, "idle_seconds", 0.0)
        sign_in, (origin, port) = LocalSignIn(), free_origin()
        world.serve(workbench(sign_in, origin), port)
        browser = world.browser(origin)
        browser.get(sign_in.url(origin))
        assert browser.get("/api/changes").status == 401
        assert browser.get("/").status == 403

    def test_is_kept_alive_by_its_person_only(self, world, monkeypatch):
        """Pages and changes do; what a page asks by itself does not."""
        now = 0.0
        monkeypatch.setattr(guard, "Sessions", lambda idle: sessions.Sessions(lambda: now, idle))
        monkeypatch.setattr(LocalSignIn, "idle_seconds", sessions.IDLE_SECONDS)
        sign_in, (origin, port) = LocalSignIn(), free_origin()
        world.serve(workbench(sign_in, origin), port)
        browser = world.browser(origin)
        browser.get(sign_in.url(origin))
        now = 3_000.0
        token = browser.get("/").json["csrf"]
        now = 6_000.0
        assert browser.post("/api/changes", X_CSRF_Token=token).status == 204
        now = 9_000.0
        assert browser.get("/api/changes").status == 200
        now = 9_600.0
        assert browser.get("/api/changes").status == 401

    def test_ends_by_signing_out(self, inside, csrf):
        """Also for one who has kept the cookie."""
        (cookie,) = inside.session.cookie_jar
        out = inside.post("/sign-out", X_CSRF_Token=csrf)
        assert (out.status, out.headers["Location"]) == (303, "/signed-out")
        assert (out.cookie.value, out.cookie["max-age"]) == ("", "0")
        assert inside.get("/api/changes", Cookie=f"{cookie.key}={cookie.value}").status == 401

    def test_is_not_ended_by_another_page(self, inside):
        """Signing out is a change like others."""
        assert inside.post("/sign-out").status == 403
        assert inside.get("/sign-out").status == 405
        assert inside.get("/").status == 200

    def test_cannot_be_given_by_somebody_else(self, outside):
        """An id that was planted is not taken up."""
        name = f"rmm-scrub-session-{urlsplit(outside.base).port}"
        outside.session.cookie_jar.update_cookies({name: "planted"})
        assert outside.get(outside.link).cookie.value != "planted"
        assert outside.get("/").status == 200


class TestAnswers:
    @pytest.mark.parametrize(
        "place", ["/", "/api/changes", "/static/app.js", "/nothing", "/api/broken?text=x", "/signed-out"]
    )
    def test_have_strict_headers_whatever_they_say(self, inside, place):
        """Scripts and styles are ours only, nobody frames or keeps it."""
        headers = inside.get(place).headers
        policy = dict(each.split(" ", 1) for each in headers["Content-Security-Policy"].split("; "))
        assert policy == {
            "default-src": "'none'",
            "script-src": "'self'",
            "style-src": "'self'",
            "img-src": "'self' data:",
            "connect-src": "'self'",
            "base-uri": "'none'",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
            "require-trusted-types-for": "'script'",
            "trusted-types": "'none'",
        }
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "camera=()" in headers["Permissions-Policy"]
        assert headers["Cache-Control"] == ("no-cache" if place.startswith("/static/") else "no-store")
        assert "Access-Control-Allow-Origin" not in headers

    def test_have_them_also_for_who_is_refused(self, outside):
        """By host, by session, and on the way in."""
        refused = [outside.get("/", Host="evil.example"), *map(outside.get, NEEDS_SESSION), outside.get(outside.link)]
        assert {each.status for each in refused} == {421, 401, 403, 303}
        assert all("default-src 'none'" in each.headers["Content-Security-Policy"] for each in refused)
        assert {each.headers["Cache-Control"] for each in refused} == {"no-store"}

    @pytest.mark.parametrize("place", ["/broken", "/api/broken"])
    def test_of_what_broke_hold_nothing_of_the_request(self, inside, caplog, place):
        """Neither does the log, which says where it broke."""
        caplog.set_level(logging.DEBUG)
        broken = inside.get(f"{place}?text=srv-payroll-01")
        assert broken.status == 500
        assert "srv-payroll" not in broken.text + caplog.text
        assert "Traceback" not in broken.text + caplog.text
        assert "RuntimeError at" in caplog.text
        assert "browsers.py" in caplog.text

    def test_that_broke_off_are_not_gone_on_with(self, inside, caplog):
        """A stream ends as broken, not with an error's text in its middle."""
        with pytest.raises(aiohttp.ClientPayloadError):
            inside.get("/api/stream?text=srv-payroll-01")
        assert "RuntimeError at" in caplog.text
        assert "srv-payroll" not in caplog.text

    def test_to_what_is_no_request_leave_no_trace_of_it(self, inside, world, caplog):
        """aiohttp's own log would quote it."""

        async def told() -> bytes:
            reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(inside.base).port)
            writer.write(b"GET / HTTP/1.1\r\nsrv-payroll-01\r\n\r\n")
            answer = await reader.read()
            writer.close()
            return answer

        caplog.set_level(logging.DEBUG)
        assert world.run(told()).startswith(b"HTTP/1.0 400")
        inside.get("/srv-payroll-01?token=srv-payroll-01")
        assert "srv-payroll" not in caplog.text

    def test_of_an_api_are_json_also_when_they_are_errors(self, inside):
        """404 and 500."""
        missing, broken = inside.get("/api/nothing"), inside.get("/api/broken?text=x")
        assert (missing.status, broken.status) == (404, 500)
        assert list(missing.json) == list(broken.json) == ["error"]

    def test_of_a_page_are_pages_also_when_they_are_errors(self, inside):
        """With a way back, in words that hold nothing of the path."""
        missing = inside.get("/srv-payroll-01")
        assert (missing.status, missing.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
        assert 'href="/"' in missing.text
        assert "srv-payroll" not in missing.text

    def test_too_large_a_body_is_said_as_such(self, inside, csrf):
        """413, not a fault."""
        assert inside.post("/api/changes", "x" * 2_000_000, X_CSRF_Token=csrf).status == 413
