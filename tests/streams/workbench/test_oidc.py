"""An employee signs in at the issuer; whatever is not of this browser, this sign-in and this issuer does not."""

import base64
import logging
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from schemas.errors import UserError
from streams.config import Access, Settings, load
from streams.workbench import oidc
from streams.workbench.oidc import CALLBACK, OidcSignIn
from tests import tokens
from tests.streams.workbench.browsers import Answer, Browser, World, free_origin, workbench
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


@pytest.fixture
def place(world: World, tmp_path: Path) -> Place:
    """The issuer serves; the workbench is yet to."""
    (origin, _), (issuer, port) = free_origin(), free_origin()
    provider = OpenIdProvider(tokens.Provider(tmp_path), issuer, f"{origin}{CALLBACK}")
    world.serve(provider.app(), port)
    return Place(world, origin, provider)


@pytest.fixture
def browser(place: Place) -> Browser:
    """Before a workbench that is a public client."""
    return place.served()


def way_back(browser: Browser) -> str:
    """Go to the issuer and sign in there: where it sends the browser then."""
    to_issuer = browser.get("/").headers["Location"]
    return browser.get(to_issuer).headers["Location"]


def sign_in(browser: Browser) -> Answer:
    """All the way; the answer at its end."""
    return browser.get(way_back(browser))


def altered(url: str, **parameters: str) -> str:
    """A URL with more parameters."""
    return url + "".join(f"&{name}={value}" for name, value in parameters.items())


class TestSigningIn:
    def test_an_employee_comes_in(self, browser):
        """By the id and name that the issuer gives; no code stays in the address bar."""
        entered = sign_in(browser)
        assert (entered.status, entered.headers["Location"]) == (303, "/")
        who = browser.get("/").json
        assert (who["id"], who["name"], who["may_change"]) == ("alice", "Alice Example", True)

    def test_the_role_decides_who_may_change(self, place, browser):
        """Others may look."""
        place.provider.roles = ("rmm-scrub-granter",)
        sign_in(browser)
        assert browser.get("/").json["may_change"] is False

    def test_the_role_is_the_one_that_is_set(self, place):
        """In the claim that is set."""
        place.provider.claims = {"groups": ["sec-rules"]}
        browser = place.served(rules_role="sec-rules", roles_claim="groups")
        sign_in(browser)
        assert browser.get("/").json["may_change"] is True

    @pytest.mark.parametrize("name", [None, "", "x" * 200, "a\nb", 7])
    def test_who_has_no_name_is_called_by_the_id(self, place, browser, name):
        """Nor one that cannot be shown."""
        place.provider.claims = {"name": name}
        sign_in(browser)
        assert browser.get("/").json["name"] == "alice"

    def test_a_client_with_a_secret_shows_it(self, place):
        """As RFC 6749 encodes it."""
        place.provider.secret = "s3:cret+/ é"
        assert sign_in(place.served()).status == 303

    def test_a_wrong_secret_lets_nobody_in(self, place):
        """The issuer gives no token."""
        place.provider.secret = "one"
        browser = place.served()
        place.provider.secret = "other"
        assert sign_in(browser).status == 502

    def test_the_issuer_is_not_asked_for_what_is_known(self, place, browser):
        """Where it is asked is looked up once for several."""
        sign_in(browser)
        sign_in(place.browser())
        assert place.provider.calls.count("metadata") == 1

    def test_each_sign_in_has_secrets_of_its_own(self, place, browser):
        """`state`, `nonce`, and the challenge; of 256 bits each."""
        asked = [parse_qs(urlsplit(place.browser().get("/").headers["Location"]).query) for _ in range(2)]
        secrets = [each[name][0] for each in asked for name in ("state", "nonce", "code_challenge")]
        assert len(set(secrets)) == 6
        assert {len(each) for each in secrets} == {43}

    def test_the_cookies_come_along_on_the_way_back_only_to_us(self, browser):
        """Lax: the way back begins at the issuer."""
        begun, entered = browser.get("/").cookie, sign_in(browser).cookie
        assert begun.key.startswith("rmm-scrub-sign-in-")
        assert entered.key.startswith("rmm-scrub-session-")
        for each in (begun, entered):
            assert (each["samesite"], each["httponly"], each["path"]) == ("Lax", True, "/")
        assert (begun["max-age"], entered["max-age"]) == ("600", "")

    def test_over_https_they_are_this_hosts_only(self, place):
        """Behind a proxy that ends TLS."""
        origin, port = free_origin()
        shared = "https://workbench.example"
        place.world.serve(workbench(OidcSignIn(place.provider.access(), shared), shared), port)
        begun = place.world.browser(origin).get("/", Host="workbench.example")
        assert (begun.cookie.key, begun.cookie["secure"]) == ("__Host-rmm-scrub-sign-in-443", True)
        asked = parse_qs(urlsplit(begun.headers["Location"]).query)
        assert asked["redirect_uri"] == ["https://workbench.example/sign-in/callback"]

    def test_an_api_does_not_lead_to_the_issuer(self, place, browser):
        """It says that one must sign in."""
        assert browser.get("/api/changes").status == 401
        assert place.provider.calls == []


class TestTheWayBack:
    def test_is_of_this_browser(self, place, browser):
        """An attacker's own sign-in, sent to somebody else, signs nobody in as the attacker."""
        link, victim = way_back(browser), place.browser()
        victim.get("/")
        assert victim.get(link).status == 403
        assert place.browser().get(link).status == 403
        assert place.provider.calls == ["metadata"]

    def test_is_gone_once(self, browser):
        """Cookie, state and code are worth nothing then."""
        begun = browser.get("/")
        cookie = f"{begun.cookie.key}={begun.cookie.value}"
        link = browser.get(begun.headers["Location"]).headers["Location"]
        assert browser.get(link).status == 303
        assert browser.get(link, Cookie=cookie).status == 403

    def test_is_gone_in_time(self, place, monkeypatch):
        """Ten minutes."""
        assert oidc.FLOW_SECONDS == 600
        monkeypatch.setattr(oidc, "FLOW_SECONDS", 0)
        browser = place.served()
        begun = browser.get("/")
        link = browser.get(begun.headers["Location"]).headers["Location"]
        assert browser.get(link, Cookie=f"{begun.cookie.key}={begun.cookie.value}").status == 403

    @pytest.mark.parametrize(
        "answer",
        [
            {"state": "wrong"},
            {"state": None},
            {"state": ""},
            {"iss": "https://id.other.example"},
            {"code": None},
            {"code": ""},
            {"code": None, "error": "access_denied"},
            {"error": "access_denied"},
        ],
    )
    def test_with_a_wrong_answer_leads_nowhere(self, place, browser, answer):
        """And its code is not even tried."""
        place.provider.answer = answer
        assert sign_in(browser).status == 403
        assert "token" not in place.provider.calls
        assert browser.get("/").status == 303

    @pytest.mark.parametrize("parameter", [{"state": "x"}, {"code": "x"}, {"iss": "x"}])
    def test_with_two_answers_leads_nowhere(self, browser, parameter):
        """Who reads the first and who reads the second would not agree."""
        assert browser.get(altered(way_back(browser), **parameter)).status == 403

    def test_says_whose_it_is_if_the_issuer_does_so(self, place):
        """RFC 9207: one that always does has not sent what lacks it."""
        place.provider.metadata = {"authorization_response_iss_parameter_supported": True}
        place.provider.answer = {"iss": None}
        assert sign_in(place.served()).status == 403

    def test_need_not_say_so_if_the_issuer_does_not(self, place, browser):
        """Many do not."""
        place.provider.answer = {"iss": None}
        assert sign_in(browser).status == 303


class TestTheToken:
    @pytest.mark.parametrize(
        "claims",
        [
            {"nonce": "wrong"},
            {"nonce": None},
            {"nonce": 7},
            {"aud": "rmm-scrub"},
            {"aud": None},
            {"azp": "other"},
            {"iss": "https://id.other.example"},
            {"exp": int(time.time()) - 3_600},
            {"sub": None},
            {"sub": "two words"},
        ],
    )
    def test_with_wrong_claims_lets_nobody_in(self, place, browser, claims):
        """Each would be another's, or another's for us."""
        place.provider.claims = claims
        refused = sign_in(browser)
        assert refused.status == 403
        assert "Set-Cookie" not in refused.headers

    def test_may_be_for_others_too(self, place, browser):
        """If it was issued to us."""
        place.provider.claims = {"aud": ["portal", "workbench"], "azp": "workbench"}
        assert sign_in(browser).status == 303

    def test_without_signature_lets_nobody_in(self, place, browser):
        """`alg: none`, with the right claims."""
        to_issuer = browser.get("/").headers["Location"]
        nonce = parse_qs(urlsplit(to_issuer).query)["nonce"][0]
        signed = place.provider.keys.token(iss=place.provider.issuer, aud="workbench", nonce=nonce)
        header = base64.urlsafe_b64encode(orjson.dumps({"alg": "none", "kid": "k1"})).rstrip(b"=").decode()
        place.provider.id_token = f"{header}.{signed.split('.')[1]}."
        assert browser.get(browser.get(to_issuer).headers["Location"]).status == 403

    def test_of_another_key_lets_nobody_in(self, place, browser, tmp_path):
        """Under the same key id."""
        (tmp_path / "forger").mkdir()
        link = way_back(browser)
        served, place.provider.keys = place.provider.keys, tokens.Provider(tmp_path / "forger")
        place.provider.keys.jwks = served.jwks
        assert browser.get(link).status == 403

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (400, b"{}"),
            (500, b""),
            (302, b""),
            (200, b"<html>"),
            (200, b"{}"),
            (200, b'{"id_token":7}'),
            (200, b"\xff"),
        ],
    )
    def test_that_the_issuer_does_not_give_lets_nobody_in(self, place, browser, status, body):
        """A page says so, not a traceback."""
        place.provider.token_status, place.provider.token_body = status, body
        refused = sign_in(browser)
        assert refused.status == 502
        assert "identity provider" in refused.text

    def test_leaves_no_trace(self, place, browser, caplog):
        """Whether it is right or wrong: no claim, code or token in log or page."""
        caplog.set_level(logging.DEBUG)
        place.provider.claims = {"sub": "mallory marker", "nonce": "marker"}
        place.provider.answer = {"code": None, "error": "marker", "error_description": "marker"}
        refused = sign_in(browser)
        place.provider.answer = {}
        refused_later = sign_in(browser)
        assert (refused.status, refused_later.status) == (403, 403)
        assert "marker" not in refused.text + refused_later.text + caplog.text.replace(
            str(place.provider.keys.jwks), ""
        )


class TestTheIssuer:
    @pytest.mark.parametrize(
        "metadata",
        [
            {"issuer": "https://id.other.example"},
            {"issuer": None},
            {"token_endpoint": None},
            {"token_endpoint": "http://id.provider.example/token"},
            {"authorization_endpoint": "http://id.provider.example/authorize"},
            {"authorization_endpoint": "javascript:alert(1)"},
            {"jwks_uri": "http://id.provider.example/jwks"},
            {"jwks_uri": "file:///etc/passwd"},
            {"padding": "x" * 300_000},
        ],
    )
    def test_with_wrong_metadata_is_not_gone_to(self, place, browser, metadata):
        """They could be another's, or lead where others listen."""
        place.provider.metadata = metadata
        refused = browser.get("/")
        assert refused.status == 502
        assert "Set-Cookie" not in refused.headers

    def test_that_is_away_is_asked_again(self, place, browser):
        """Nobody has to start the workbench anew."""
        place.provider.metadata = {"issuer": "https://id.other.example"}
        browser.get("/")
        place.provider.metadata = {}
        assert sign_in(browser).status == 303

    def test_that_nobody_answers_for_is_said(self, place):
        """502."""
        place.provider.issuer = free_origin()[0]
        assert place.served().get("/").status == 502


class TestSettings:
    @pytest.mark.parametrize(
        "access",
        [
            Access(),
            Access(issuer="https://id.provider.example"),
            Access(client_id="workbench"),
            Access(issuer="http://id.provider.example", client_id="workbench"),
            Access(issuer="id.provider.example", client_id="workbench"),
        ],
    )
    def test_that_are_missing_or_unsafe_are_said_at_the_start(self, access):
        """Before anybody wants to sign in."""
        with pytest.raises(UserError):
            OidcSignIn(access, "https://workbench.example")

    def test_a_shared_workbench_is_not_served_in_the_clear(self, place):
        """Cookies and codes could be read on the way."""
        with pytest.raises(UserError):
            OidcSignIn(place.provider.access(), "http://workbench.example")

    def test_the_secret_is_never_shown(self):
        """Nor by what holds it."""
        settings = load({"RMM_SCRUB_ACCESS_CLIENT_SECRET": "s3cret", "RMM_SCRUB_ACCESS_CLIENT_ID": "workbench"})
        assert settings.access.client_secret == "s3cret"
        assert "s3cret" not in f"{settings} {settings!r} {settings.access} {settings.access!r}"
        assert "client_id='workbench'" in repr(settings)
        assert isinstance(settings, Settings)
