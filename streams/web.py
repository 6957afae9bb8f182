"""Web endpoints of a worker: `/health`, `/health/live`, `/health/ready`, `/metrics`, `/.well-known/jwks.json`."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from scrubbers.keyring import SIGNING_SETTLES, Keyring
from streams.metrics import Metrics
from streams.revocations import jwks

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus reads no other

KEY_SET = "application/jwk-set+json"  # RFC 7517 section 8.5
# Half of what a new key waits before it signs: whoever keeps the set so long knows it in time.
KEY_SET_SECONDS = int(SIGNING_SETTLES.total_seconds() / 2)

Checks = Callable[[], Mapping[str, bool]]


def add_endpoints(
    app: Any, metrics: Metrics, checks: Checks, keyring: Keyring, rules: Callable[[], Mapping[str, Any]]
) -> None:
    """Serve health, metrics and the key set of revocations from the Faust app's own web server.

    Live: this process answers. Ready: every check holds (tables caught up, lanes joined, rules decided on). `rules`
    says which rule sets are at work and which were refused: a refused one leaves the worker live and ready.
    """

    @app.page("/health")
    async def health(web: Any, request: Any) -> Any:  # noqa: ARG001 - Faust hands it over
        found = dict(checks())
        ready = all(found.values())
        return web.json(
            {"live": True, "ready": ready, "checks": found, "rules": dict(rules())}, status=200 if ready else 503
        )

    @app.page("/health/live")
    async def live(web: Any, request: Any) -> Any:  # noqa: ARG001
        return web.json({"live": True})

    @app.page("/health/ready")
    async def ready(web: Any, request: Any) -> Any:  # noqa: ARG001
        found = dict(checks())
        holds = all(found.values())
        return web.json({"ready": holds, "checks": found}, status=200 if holds else 503)

    @app.page("/metrics")
    async def exposition(web: Any, request: Any) -> Any:  # noqa: ARG001
        return web.bytes(metrics.text(), content_type=None, headers={"Content-Type": EXPOSITION})

    @app.page("/.well-known/jwks.json")
    async def key_set(web: Any, request: Any) -> Any:  # noqa: ARG001
        headers = {"Content-Type": KEY_SET, "Cache-Control": f"public, max-age={KEY_SET_SECONDS}"}
        return web.bytes(orjson.dumps(jwks(keyring.signing_keys())), content_type=None, headers=headers)
