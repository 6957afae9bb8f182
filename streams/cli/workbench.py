"""`rmm-scrub workbench`: the rule workbench in a browser."""

import logging
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import UserError
from streams.cli import console
from streams.config import Settings, load
from streams.workbench import guard
from streams.workbench.context import Workbench
from streams.workbench.engine import Engine
from streams.workbench.local import LocalSignIn
from streams.workbench.oidc import OidcSignIn
from streams.workbench.server import application, serve
from streams.workbench.sets import Sets

EPILOG = "Example: rmm-scrub workbench --rules my-rules/ --corpus team.ndjson"
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_PORT = 6070


def workbench(
    rule_file: Annotated[Path | None, typer.Option("--rules", help="A folder (or file) to edit and save to.")] = None,
    corpus: Annotated[
        Path | None, typer.Option(help="The team's samples; made with the first. Default: RMM_SCRUB_CORPUS.")
    ] = None,
    keyring: Annotated[
        Path | None, typer.Option(help="Default: RMM_SCRUB_KEYRING. To publish, and open samples.")
    ] = None,
    host: Annotated[str, typer.Option(help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = _PORT,
    oidc: Annotated[
        bool, typer.Option("--oidc", help="For several people: they sign in at the identity provider.")
    ] = False,
    url: Annotated[str | None, typer.Option(help="With --oidc: as browsers see it, https://…")] = None,
    worker: Annotated[
        list[str] | None, typer.Option(help="Base URL of a worker; repeatable. Default: this machine's.")
    ] = None,
    open_browser: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Edit rules and see at once what they find; run the team's corpus, compare, publish, watch.

    For one person, at this machine, behind a one-time link; or with --oidc for all who have the role.
    """
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    settings = load()
    origin = _origin(settings, host, port, url, oidc=oidc)
    sign_in: guard.SignIn = OidcSignIn(settings.access, origin) if oidc else LocalSignIn()
    engine = Engine()
    corpus = corpus or (Path(settings.corpus) if settings.corpus else None)
    bench = Workbench(settings, Sets(settings, _there(rule_file)), engine, corpus, keyring, tuple(worker or ()), oidc)
    link = sign_in.url(origin) if isinstance(sign_in, LocalSignIn) else origin

    def ready() -> None:
        console.out.print(link, markup=False)
        if not oidc:
            console.err.print("this link is good once, for ten minutes; Ctrl-C ends the workbench", markup=False)
        if open_browser:
            webbrowser.open(link)

    try:
        serve(application(bench, sign_in, origin), host, port, ready)
    finally:
        engine.close()


def _origin(settings: Settings, host: str, port: int, url: str | None, *, oidc: bool) -> str:
    """The origin under which browsers see the workbench.

    Raises:
        UserError: others could reach a workbench that is for one person, or nobody could sign in.
    """
    if not oidc:
        if host not in _LOOPBACK:
            raise UserError(f"{host} is not this machine alone", "for several people: --oidc --url https://…")
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"
    access = settings.access
    if not (access.issuer and access.client_id):
        raise UserError(
            "the identity provider is not configured", "set RMM_SCRUB_ACCESS_ISSUER and RMM_SCRUB_ACCESS_CLIENT_ID"
        )
    if url is None and host not in _LOOPBACK:
        raise UserError("under which URL do browsers see it?", "--url https://workbench.example")
    return (url or f"http://{host}:{port}").rstrip("/")


def _there(path: Path | None) -> Path | None:
    if path is not None and not path.exists():
        raise UserError(f"{path}: no such rule set", f"rmm-scrub rules export {path}")
    return path
