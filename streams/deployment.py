"""Which published rule set is active, which is in shadow, which is canary for whom; and how that changes.

Pure: a change gives a new deployment, or the same one where nothing is left to do.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum

import msgspec

from schemas.errors import UserError
from scrubbers.published import PublishedRuleSet

STEPS = 100  # kept in the deployment; the audit log has all
FORMER = 20  # active sets that a worker or a rollback may go back to
OWN = ""  # in place of a digest: the rule set that a worker was started with


class Stage(StrEnum):
    """What a published rule set is used for."""

    ACTIVE = "active"
    CANARY = "canary"
    SHADOW = "shadow"


class Change(StrEnum):
    """What was done to the deployment."""

    PUBLISH = "publish"
    PROMOTE = "promote"
    ROLLBACK = "rollback"


class Canary(msgspec.Struct, frozen=True):
    """A rule set that is live for some tenants."""

    digest: str
    tenants: tuple[str, ...]


class Step(msgspec.Struct, frozen=True):
    """One change: by whom, when (RFC 3339) and why; `forced` names the checks that had failed.

    `digest` is empty where workers went back to the set that they were started with.
    """

    revision: int
    time: str
    change: Change
    stage: Stage
    digest: str
    version: str
    author: str
    reason: str
    tenants: tuple[str, ...] = ()
    forced: tuple[str, ...] = ()


class Deployment(msgspec.Struct, frozen=True):
    """Value of a record on the rules topic under a rule set's name (`schemas/deployment.schema.json`).

    Digests name the sets; `former` are the active ones before, the last one last.
    """

    name: str
    revision: int = 0
    active: str = OWN
    shadow: str = ""
    canary: Canary | None = None
    former: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()

    @property
    def candidate(self) -> bool:
        """Whether a set is in shadow or canary."""
        return bool(self.shadow) or self.canary is not None

    def referenced(self) -> set[str]:
        """The digests that something may still need."""
        canary = [self.canary.digest] if self.canary is not None else []
        return {each for each in (self.active, self.shadow, *canary, *self.former) if each}

    def stages(self) -> Iterator[tuple[Stage, str]]:
        """Every stage in use, and its digest."""
        yield Stage.ACTIVE, self.active
        if self.canary is not None:
            yield Stage.CANARY, self.canary.digest
        if self.shadow:
            yield Stage.SHADOW, self.shadow


class Why(msgspec.Struct, frozen=True):
    """Who changes the deployment, when, and what for."""

    author: str
    reason: str
    time: str
    forced: tuple[str, ...] = ()


class Place(msgspec.Struct, frozen=True):
    """Where a rule set goes: a stage, and the tenants of a canary."""

    stage: Stage = Stage.ACTIVE
    tenants: tuple[str, ...] = ()


def placed(
    deployment: Deployment, rule_set: PublishedRuleSet, place: Place, why: Why, change: Change = Change.PUBLISH
) -> Deployment:
    """The rule set in its new place; it leaves any other it had."""
    digest = rule_set.digest
    tenants = tuple(sorted(set(place.tenants)))
    if is_there(deployment, digest, Place(place.stage, tenants)):
        return deployment
    moved = _without(deployment, digest)
    match place.stage:
        case Stage.ACTIVE:
            former = (*deployment.former, deployment.active) if deployment.active != digest else deployment.former
            moved = msgspec.structs.replace(moved, active=digest, former=former[-FORMER:])
        case Stage.CANARY:
            moved = msgspec.structs.replace(moved, canary=Canary(digest, tenants))
        case Stage.SHADOW:
            moved = msgspec.structs.replace(moved, shadow=digest)
    return _stepped(moved, change, place.stage, digest, rule_set.version, why, tenants)


def is_there(deployment: Deployment, digest: str, place: Place) -> bool:
    """Whether a set has the place already."""
    match place.stage:
        case Stage.ACTIVE:
            return deployment.active == digest
        case Stage.SHADOW:
            return deployment.shadow == digest
        case Stage.CANARY:
            return deployment.canary == Canary(digest, tuple(sorted(set(place.tenants))))


def next_place(deployment: Deployment, tenants: Sequence[str], *, active: bool) -> tuple[str, Place]:
    """The candidate that is to be promoted, and its next place: from shadow to canary, and on to active.

    With `tenants` it goes to canary, or a canary gets these tenants more. `active` skips the canary.

    Raises:
        UserError: there is no candidate, or it is not said for which tenants it shall be canary.
    """
    canary = deployment.canary
    if not deployment.candidate:
        raise UserError("no rule set is in shadow or canary", "rmm-scrub rules publish --shadow, or --canary TENANT")
    if tenants:
        before = canary.tenants if canary is not None and not deployment.shadow else ()
        digest = deployment.shadow or (canary.digest if canary is not None else "")
        return digest, Place(Stage.CANARY, tuple(sorted({*before, *tenants})))
    if canary is not None and not (active and deployment.shadow):
        return canary.digest, Place(Stage.ACTIVE)
    if not active:
        raise UserError(
            "which tenants shall be its canary?",
            "rmm-scrub rules promote --canary TENANT, or --active to do without",
        )
    return deployment.shadow, Place(Stage.ACTIVE)


def rolled_back(deployment: Deployment, why: Why, versions: dict[str, str], digest: str | None = None) -> Deployment:
    """The last change undone: a candidate is taken away, or else the set that was active before is again.

    A named set becomes the active one, and candidates are taken away. To undo twice, name a set: so a command that is
    repeated because its answer was lost goes back once.
    """
    last = deployment.steps[-1] if deployment.steps else None
    if digest is None:
        if last is None or last.change is Change.ROLLBACK:
            return deployment
        digest = deployment.active if deployment.candidate else (deployment.former or (OWN,))[-1]
        former = deployment.former if deployment.candidate else deployment.former[:-1]
    else:
        if digest == deployment.active and not deployment.candidate:
            return deployment
        former = deployment.former if digest == deployment.active else (*deployment.former, deployment.active)
    back = msgspec.structs.replace(deployment, active=digest, former=former[-FORMER:], shadow="", canary=None)
    return _stepped(back, Change.ROLLBACK, Stage.ACTIVE, digest, versions.get(digest, ""), why, ())


def _without(deployment: Deployment, digest: str) -> Deployment:
    """The deployment with a set in neither shadow nor canary."""
    canary = deployment.canary
    return msgspec.structs.replace(
        deployment,
        shadow="" if deployment.shadow == digest else deployment.shadow,
        canary=None if canary is not None and canary.digest == digest else canary,
    )


def _stepped(
    deployment: Deployment,
    change: Change,
    stage: Stage,
    digest: str,
    version: str,
    why: Why,
    tenants: tuple[str, ...],
) -> Deployment:
    revision = deployment.revision + 1
    step = Step(revision, why.time, change, stage, digest, version, why.author, why.reason, tenants, why.forced)
    return msgspec.structs.replace(deployment, revision=revision, steps=(*deployment.steps, step)[-STEPS:])
