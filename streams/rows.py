"""Rows of the tables that others write: contracts."""

from datetime import datetime
from enum import StrEnum

import msgspec

import schemas


class ContractStatus(StrEnum):
    """Whether a tenant's data may be processed."""

    ACTIVE = "active"
    ENDED = "ended"


class ContractRow(msgspec.Struct, frozen=True):
    """What the contracts topic says of a tenant (`schemas/contract.schema.json`)."""

    tenant: str
    status: ContractStatus
    started: object = None
    ended: object = None

    def date(self) -> datetime | None:
        """When the present status began, if the row says so in a form that can be read."""
        text = self.ended if self.status is ContractStatus.ENDED else self.started
        try:
            return schemas.instant(text) if isinstance(text, str) else None
        except ValueError:
            return None
