"""Web endpoints of a worker: `/health`, `/health/live`, `/health/ready`, `/metrics`."""

from collections.abc import Callable, Mapping
from typing import Any

from streams.metrics import Metrics

EXPOSITION = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus reads no other

Checks = Callable[[], Mapping[str, bool]]


def add_endpoints(app: Any, metrics: Metrics, checks: Checks, rules: Callable[[], Mapping[str, Any]]) -> None:
    """Serve health and metrics from the Faust app's own web server.

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
