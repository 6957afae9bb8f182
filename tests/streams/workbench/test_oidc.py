"""An employee signs in at the issuer; whatever is not of this browser and this sign-in does not."""

from urllib.parse import parse_qs, urlsplit

import pytest

from schemas.errors import UserError
from streams.config import Access, load
from streams.workbench import oidc
from streams.workbench.oidc import OidcSignIn
from tests.streams.workbench.browsers import free_origin, workbench
from tests.streams.workbench.shared import sign_in, way_back


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
