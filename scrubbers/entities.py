"""The vocabulary: what can be found, and a finding."""

from enum import StrEnum

import msgspec


class EntityType(StrEnum):
    """Kinds of personal data that the scrubber looks for (`docs/contracts.md`)."""

    COMPUTER_NAME = "COMPUTER_NAME"
    IP_ADDRESS = "IP_ADDRESS"
    MAC_ADDRESS = "MAC_ADDRESS"
    DOMAIN_NAME = "DOMAIN_NAME"
    USER_NAME = "USER_NAME"
    EMAIL_ADDRESS = "EMAIL_ADDRESS"
    PERSON = "PERSON"
    PHONE_NUMBER = "PHONE_NUMBER"
    POSTAL_ADDRESS = "POSTAL_ADDRESS"


class Finding(msgspec.Struct, frozen=True, order=True):
    """A span of a text that is personal data, and the rule that says so.

    Offsets are Unicode code points, `end` exclusive; `score` is 0 to 1. `allowed` marks a finding
    that an allow rule lets through: reported, never replaced.
    """

    start: int
    end: int
    type: EntityType
    score: float
    rule: str
    allowed: bool = False


class Known(msgspec.Struct, frozen=True):
    """A name to remember for a tenant: `value` is normalised (`hostnames.normalise` for names).

    `alias` is the value whose pseudonym it has, if not its own (`scrubbers/aliases.py`).
    """

    type: EntityType
    value: str
    alias: str = ""
