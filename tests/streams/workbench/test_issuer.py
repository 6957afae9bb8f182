"""What an issuer says lets somebody in only if it is right, and the issuer's."""

import base64
import logging
import time
from urllib.parse import parse_qs, urlsplit

import orjson
import pytest

from tests import tokens
from tests.streams.workbench.browsers import free_origin
from tests.streams.workbench.shared import sign_in, way_back


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
            (500, None),
            (307, b""),
            (200, b"<html>"),
            (200, b"{}"),
            (200, b'{"id_token":7}'),
            (200, b"\xff"),
        ],
    )
    def test_that_the_issuer_does_not_rightly_give_lets_nobody_in(self, place, browser, status, body):
        """Not even a right one with a wrong status; a page says so. The code is sent once, to nowhere else."""
        place.provider.token_status, place.provider.token_body = status, body
        refused = sign_in(browser)
        assert refused.status == 502
        assert "identity provider" in refused.text
        assert place.provider.calls.count("token") == 1

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
