"""Rows of the tables that others write: contracts."""

from enum import StrEnum

import msgspec


class ContractStatus(StrEnum):
    """Whether a tenant's data may be processed."""

    ACTIVE = "active"
    ENDED = "ended"


class ContractRow(msgspec.Struct, frozen=True):
    """What the contracts topic says of a tenant (`schemas/contract.schema.json`)."""

    tenant: str
    status: ContractStatus
