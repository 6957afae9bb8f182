"""Changes of many contacts, shuffled, with workers and the portal killed: accounts end as a small model says."""

import os
import random
import signal
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from streams.publisher import Message
from tests.conftest import Pipeline
from tests.integration.test_contact_lane import NOW, change
from tests.integration.test_exactly_once import worker_pids
from tests.integration.test_portal import Portal

pytestmark = pytest.mark.integration

ROLES = ("viewer", "technician", "admin", "owner")


def history(draw: random.Random, contact: str, count: int, first: int) -> Iterator[tuple[str, int, Message]]:
    """What becomes of one contact: changes of role, of e-mail, and for one in five a leaving."""
    for step in range(count):
        at = NOW - timedelta(days=30) + timedelta(minutes=step)
        number = first + step
        kind = draw.choice(["contact.role-changed", "contact.updated"])
        if step == count - 1 and draw.random() < 0.2 * count / 5:
            kind = "contact.left"
        data = {
            "contact.role-changed": {"new_role": draw.choice(ROLES)},
            "contact.updated": {"email": f"{contact}-{step}@acme.example"},
            "contact.left": {},
        }[kind]
        role = data.get("new_role", "left" if kind == "contact.left" else "")
        yield role, step, change(kind, contact, number, at=at, **data)


def expected(steps: list[tuple[str, int, Message]]) -> tuple[bool, list[dict[str, str]]]:
    """Whether the contact may log in, and the roles: those of the latest change of role, whatever came when."""
    if any(role == "left" for role, _, _ in steps):
        return False, []
    named = [role for role, _, _ in steps if role]
    return True, [{"value": named[-1]}] if named else []


def under_load(pipeline: Pipeline, contacts: int, each: int, kills: int) -> tuple[dict, dict]:
    """Accounts as they end, and as the model says."""
    draw = random.Random(11)
    pipeline.tenants("acme")
    portal = Portal(pipeline)
    histories = {f"c{n}": list(history(draw, f"c{n}", each, n * each)) for n in range(contacts)}
    messages = [message for steps in histories.values() for _, _, message in steps]
    draw.shuffle(messages)
    wanted = {f"acme/{contact}": expected(steps) for contact, steps in histories.items()}
    with portal.scim(), pipeline.workers(2) as supervisor:
        portal.accounts(*wanted)
        for part in range(kills):
            with portal.follower() as reader:
                pipeline.send(
                    "contact_changes", messages[part * len(messages) // kills : (part + 1) * len(messages) // kills]
                )
                time.sleep(2.0)
                os.kill(worker_pids(supervisor.pid)[part % 2], signal.SIGKILL)
                os.kill(reader.pid, signal.SIGKILL)
        with portal.follower():
            pipeline.until(pipeline.drained, 1_500)
            # Not by lag: behind the last token there is the marker of its transaction.
            pipeline.until(lambda: time.sleep(1.0) or standing(portal) == wanted, 1_500)
            return standing(portal), wanted


def standing(portal: Portal) -> dict:
    """Who may log in, and in which roles; of those who may not, roles do not count."""
    found = portal.call("GET", "/Users?count=100000")["Resources"]
    return {each["externalId"]: (each["active"], each.get("roles", []) if each["active"] else []) for each in found}


def test_accounts_end_as_the_model_says(pipeline: Pipeline) -> None:
    """600 changes of 120 contacts, two kills of a worker and of the portal."""
    found, wanted = under_load(pipeline, 120, 5, 2)

    assert found == wanted


@pytest.mark.soak
@pytest.mark.timeout(3_600)
def test_accounts_end_as_the_model_says_in_full(pipeline: Pipeline) -> None:
    """100,000 changes of 20,000 contacts, five kills."""
    found, wanted = under_load(pipeline, 20_000, 5, 5)

    assert found == wanted
