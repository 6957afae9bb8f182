"""The portal example beside the demo: accounts that follow the revocations (deploy/portal-example)."""

import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from schemas.errors import UserError
from streams import broker
from streams.config import Settings
from streams.demo.changes import Sent
from streams.demo.proof import Check
from streams.system import end_with_parent

WAIT_SECONDS = 60.0
_DISABLED = "account-disabled"


def example() -> Path:
    """The portal's program: in a checkout, or packaged with us.

    Raises:
        UserError: it is in neither place.
    """
    here = Path(__file__).resolve()
    for folder in (here.parents[2] / "deploy" / "portal-example", here.parents[1] / "portal-example"):
        if (folder / "portal.py").exists():
            return folder / "portal.py"
    raise UserError("the portal example is not there", "run the demo from a checkout")


class Portal:
    """A SCIM service with an account for each contact, and the reader that applies revocations to it."""

    def __init__(self, folder: Path, settings: Settings) -> None:
        self._folder = folder
        self._settings = settings
        [self._port] = broker.free_ports(1)
        self._base = f"http://127.0.0.1:{self._port}/scim/v2"

    @contextmanager
    def running(self, contacts: Sequence[str]) -> Iterator[None]:
        """With accounts for these contacts (`tenant/contact`), all active."""
        settings = self._settings
        with self._part("scim", "--database", self._folder / "accounts.db", "--port", self._port):
            self._until_answers()
            for each in contacts:
                self._call("POST", "/Users", {"userName": each, "externalId": each})
            reader = (
                *("run", "--scim", self._base, "--seen", self._folder / "seen.db"),
                *("--jwks", f"http://127.0.0.1:{settings.web_port}/.well-known/jwks.json"),
                *("--bootstrap", settings.bootstrap, "--topic", settings.named.revocations),
                *("--group", f"{settings.group}-portal"),
                *("--issuer", settings.issuer, "--audience", settings.portal_audience),
            )
            with self._part(*reader) as self._reader:
                yield

    def standing(self) -> dict[str, bool]:
        """Who may log in."""
        found = self._call("GET", "/Users?count=1000")["Resources"]
        return {each["externalId"]: bool(each["active"]) for each in found}

    def obeyed(self, changes: Sequence[Sent]) -> Check:
        """Wait for the accounts to be as the changes say."""
        expected = expected_accounts(changes)
        deadline = time.monotonic() + WAIT_SECONDS
        while self.standing() != expected and time.monotonic() < deadline:
            time.sleep(0.2)
        disabled = sum(1 for active in expected.values() if not active)
        ended = "" if self._reader.poll() is None else ", the portal's reader has ended"
        figures = f"{disabled} of {len(expected)} accounts disabled{ended}"
        return Check("the portal's accounts are as the changes say", self.standing() == expected, figures)

    @contextmanager
    def _part(self, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
        with (self._folder / "portal.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, str(example()), *map(str, arguments)],
                stdout=log,
                stderr=log,
                preexec_fn=end_with_parent,  # noqa: PLW1509 - one call into the kernel
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(20)

    def _until_answers(self) -> None:
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            try:
                self._call("GET", "/Users")
            except urllib.error.URLError:
                time.sleep(0.1)
            else:
                return
        raise UserError("demo: the portal did not come up", f"see {self._folder / 'portal.log'}")

    def _call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        content = None if body is None else orjson.dumps(body)
        request = urllib.request.Request(self._base + path, content, method=method)  # noqa: S310 - this machine
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            decoded: dict[str, Any] = orjson.loads(answer.read())
            return decoded


def expected_accounts(changes: Sequence[Sent]) -> dict[str, bool]:
    """Who may log in after the changes: whoever is in one, unless a token disabled them."""
    accounts: dict[str, bool] = {}
    for each in changes:
        tenant, _, contact = each.key.decode().partition("|")
        if contact and each.reason is None:
            accounts.setdefault(f"{tenant}/{contact}", True)
        for event, whom in each.tokens:
            if event == _DISABLED:
                accounts[f"{tenant}/{whom}"] = False
    return accounts
