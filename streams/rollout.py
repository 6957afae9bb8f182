"""Publish rule sets, promote them, roll them back: checked first, on the audit log, written whole or not at all."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn, TypeVar

import msgspec

from schemas.errors import UNDECODABLE, UserError
from scrubbers import rules
from scrubbers.published import PublishedRuleSet, RuleSetRefused, pack, source_files, unpack
from scrubbers.rulefiles import SourceFile
from scrubbers.rules import RuleSet
from streams import deployment as deploying
from streams.audit import Action, AuditLog, Event, Result
from streams.config import Settings
from streams.deployment import Change, Deployment, Place, Stage, Why
from streams.gate import Corpus, shortcomings
from streams.notices import Count, NoticeKind, Refusal, ShadowCounts, kind_of, told
from streams.reader import Read, read_topic
from streams.revocations import is_opaque
from streams.rule_topic import Conflict, RuleTable, RuleTopic, decoded, read_rules

REASON = 500  # characters
TOLD = 50  # shortcomings; a set with more has been told enough
_SHORT = 8  # digits of a digest that are enough to name a set
Check = Callable[[RuleSet, RuleSet, Corpus], Sequence[str]]
N = TypeVar("N", Refusal, ShadowCounts)


class Author(msgspec.Struct, frozen=True):
    """Who acts: `actor` as the audit log has it, `name` as the history shows it."""

    actor: str
    name: str


class Candidate(msgspec.Struct, frozen=True):
    """A rule set to publish, and its files as they were written."""

    rules: RuleSet
    source: tuple[SourceFile, ...]


class Outcome(msgspec.Struct, frozen=True):
    """What a command left behind; `changed` is false where all was so already. `forced` are checks that failed."""

    deployment: Deployment
    changed: bool
    forced: tuple[str, ...] = ()


class ShadowSummary(msgspec.Struct, frozen=True):
    """What a candidate in shadow finds otherwise than the active set; the most frequent difference first."""

    digest: str
    compared: int
    skipped: int
    failed: int
    differences: tuple[Count, ...]


class NotPublished(UserError):
    """A rule set that does not stand the checks; `shortcomings` says why, a line each."""

    def __init__(self, identity: str, found: Sequence[str]) -> None:
        super().__init__(f"{identity} is not published", "publish it all the same: --force")
        self.shortcomings = tuple(found)


def candidate(path: Path) -> Candidate:
    """The rule set of a file or folder.

    Raises:
        UserError: it cannot be read or breaks the schema, with the place of every problem.
    """
    return Candidate(rules.load(path), source_files(path))


class Rollout:
    """The deployment as it is now, and what can be done to it."""

    def __init__(self, settings: Settings, audit: AuditLog, author: Author) -> None:
        """Read the rules topic.

        Raises:
            UserError: it cannot be read.
        """
        self._settings = settings
        self._audit = audit
        self._author = author
        self._topic = RuleTopic(settings)
        self.deployment = self._topic.table.deployment

    def publish(
        self,
        new: Candidate,
        place: Place,
        reason: str,
        corpus: Corpus | None = None,
        *,
        force: bool = False,
        check: Check = shortcomings,
    ) -> Outcome:
        """Publish a rule set into a place. `check` is `gate.shortcomings`, wherever it is run.

        Raises:
            NotPublished: it does not stand the checks, and is not forced.
            Conflict: somebody else was at work.
            UserError: it cannot be published here at all.
        """
        _check_tenants(place.tenants)
        seen = self.deployment or Deployment(new.rules.name)
        self._check_names(seen, new.rules)
        if self.deployment is not None and deploying.is_there(seen, new.rules.digest(), place):
            return Outcome(seen, changed=False)
        try:
            before = self.active() if corpus else new.rules  # one that is broken keeps nobody from replacing it
            found = tuple(check(new.rules, before, corpus or {})[:TOLD])
        except RuleSetRefused as refused:
            raise UserError(f"{new.rules.identity} cannot be used: {refused}", "rmm-scrub rules lint") from None
        why = self._why(reason, found)
        published = pack(new.rules, new.source, why.author, why.reason, why.time, found)
        wanted = deploying.placed(seen, published, place, why)
        if found and not force:
            self._refuse(published, wanted, Action.RULES_PUBLISH)
        return self._commit(wanted, Action.RULES_PUBLISH, [published])

    def promote(self, tenants: Sequence[str], reason: str, *, active: bool = False, force: bool = False) -> Outcome:
        """Take the candidate one stage on: from shadow to canary, from canary to active.

        Raises:
            NotPublished: it was published by force, or workers have refused it, and it is not forced now.
            UserError: there is no candidate.
        """
        _check_tenants(tenants)
        seen = self._deployed()
        if not seen.candidate and not tenants and seen.steps[-1].change is Change.PROMOTE:
            return Outcome(seen, changed=False)  # the same command again
        digest, place = deploying.next_place(seen, tenants, active=active)
        published = self._published(digest)
        refused = (f"{each.worker} refuses it: {each.why}" for each in self.refusals() if each.digest == digest)
        found = tuple(dict.fromkeys((*published.forced, *refused)))
        wanted = deploying.placed(seen, published, place, self._why(reason, found), Change.PROMOTE)
        action = Action.RULES_CANARY if place.stage is Stage.CANARY else Action.RULES_PROMOTE
        if found and not force:
            self._refuse(published, wanted, action)
        return self._commit(wanted, action)

    def rollback(self, reason: str, name: str | None = None) -> Outcome:
        """Undo the last change, or make a set active again that is named by version or digest.

        Raises:
            UserError: nothing is deployed, or no such set is on the topic.
        """
        seen = self._deployed()
        digest = self.find(name).digest if name is not None else None
        versions = {each.digest: each.version for each in self._topic.table.published()}
        return self._commit(deploying.rolled_back(seen, self._why(reason), versions, digest), Action.RULES_ROLLBACK)

    def active(self) -> RuleSet:
        """What workers scrub with: the active published set, or the one that settings name."""
        return _active(self._settings, self._topic.table)

    def find(self, name: str) -> PublishedRuleSet:
        """The published set of a version, or of a digest that begins so.

        Raises:
            UserError: there is none, or there are several.
        """
        every = self._topic.table.published()
        found = [each for each in every if name in (each.version, each.identity)]
        found = found or [each for each in every if len(name) >= _SHORT and each.digest.startswith(name.lower())]
        if len(found) != 1:
            raise UserError(
                f"{'several' if found else 'no'} published rule sets are called {name!r}", "rmm-scrub rules history"
            )
        return found[0]

    def refusals(self) -> list[Refusal]:
        """What workers would not use, the latest of each worker and set."""
        return refusals(self._settings)

    def _deployed(self) -> Deployment:
        if self.deployment is None:
            raise UserError("nothing is published", "rmm-scrub rules publish --rules F --reason R")
        return self.deployment

    def _published(self, digest: str) -> PublishedRuleSet:
        found = [each for each in self._topic.table.published() if each.digest == digest]
        return found[0] if found else _gone(digest)

    def _check_names(self, seen: Deployment, new: RuleSet) -> None:
        """Outputs say `name@version`: it must name one content for ever, and one deployment."""
        if seen.name != new.name:
            raise UserError(
                f"this pipeline's rule set is called {seen.name}, this one {new.name}", "give it the same name"
            )
        own = Path(self._settings.rules) if self._settings.rules else None
        there = {(each.version, each.digest) for each in self._topic.table.published()}
        there |= {(step.version, step.digest) for step in seen.steps if step.digest}
        there |= {(each.version, each.digest()) for each in (rules.load(), rules.load(own)) if each.name == new.name}
        if any(version == new.version and digest != new.digest() for version, digest in there):
            raise UserError(
                f"{new.identity} exists with another content", "give this one a version of its own: outputs name it"
            )

    def _why(self, reason: str, forced: Sequence[str] = ()) -> Why:
        if not reason.strip() or len(reason) > REASON:
            raise UserError(f"a reason is stated in 1 to {REASON} characters")
        return Why(
            self._author.name, reason.strip(), datetime.now(UTC).isoformat(timespec="milliseconds"), tuple(forced)
        )

    def _refuse(self, published: PublishedRuleSet, wanted: Deployment, action: Action) -> NoReturn:
        """Record that it was tried, and what failed."""
        event = _event(self._author, action, wanted)
        self._audit.append(msgspec.structs.replace(event, result=Result.REFUSED, reason="checks failed"))
        raise NotPublished(published.identity, wanted.steps[-1].forced)

    def _commit(self, wanted: Deployment, action: Action, new: Sequence[PublishedRuleSet] = ()) -> Outcome:
        """Record, then write: no change is without its record. One that was not written after all is recorded, too."""
        if wanted == self.deployment:
            return Outcome(wanted, changed=False)
        event = _event(self._author, action, wanted)
        self._audit.append(event)
        try:
            self._topic.commit(self.deployment, wanted, new)
        except UserError as problem:
            reason = "conflict" if isinstance(problem, Conflict) else "not written"
            self._audit.append(msgspec.structs.replace(event, result=Result.REFUSED, reason=reason))
            raise
        self.deployment = wanted
        return Outcome(wanted, changed=True, forced=wanted.steps[-1].forced)


def _check_tenants(tenants: Sequence[str]) -> None:
    if not all(map(is_opaque, tenants)):
        raise UserError("a tenant's name is 1 to 128 of A-Z a-z 0-9 . _ : -")


def active_rules(settings: Settings) -> RuleSet:
    """What workers scrub with, for who only looks: the active published set, or the one that settings name.

    Raises:
        UserError: it cannot be read here.
    """
    return _active(settings, read_rules(settings))


def _active(settings: Settings, table: RuleTable) -> RuleSet:
    deployment = table.deployment
    if deployment is None or not deployment.active:
        return rules.load(Path(settings.rules) if settings.rules else None)
    value = table.value(deployment.name, deployment.active)
    published = decoded(value) if value is not None else None
    try:
        return unpack(published) if published is not None else _gone(deployment.active)
    except RuleSetRefused as refused:
        raise UserError(f"the active rule set cannot be used here: {refused}", "rmm-scrub rules rollback") from None


def _gone(digest: str) -> NoReturn:
    raise UserError(f"the rule set {digest[:12]} is not on the rules topic any more")


def refusals(settings: Settings) -> list[Refusal]:
    """What workers would not use, the latest of each worker and set (from the findings topic)."""
    found: dict[tuple[str, str, str], Refusal] = {}
    for each in _notices(settings, NoticeKind.REFUSED, Refusal):
        found[each.worker, each.digest, each.stage] = each
    return list(found.values())


def shadow_counts(settings: Settings, digest: str) -> list[ShadowCounts]:
    """What workers counted of a candidate: the last report of each run (from the findings topic)."""
    found: dict[tuple[str, str], ShadowCounts] = {}
    for each in _notices(settings, NoticeKind.COUNTS, ShadowCounts):
        if each.digest == digest:
            found[each.worker, each.run] = each
    return list(found.values())


def shadow_summary(settings: Settings, digest: str) -> ShadowSummary:
    """What all workers together counted of a candidate."""
    counts = shadow_counts(settings, digest)
    differences: Counter[tuple[str, str, str]] = Counter()
    for report in counts:
        for each in report.differences:
            differences[each.kind, each.type, each.rule] += each.count
    return ShadowSummary(
        digest,
        sum(each.compared for each in counts),
        sum(each.skipped for each in counts),
        sum(each.failed for each in counts),
        tuple(Count(*what, number) for what, number in differences.most_common()),
    )


def shadow_samples(settings: Settings, digest: str) -> list[Read]:
    """The sealed samples of a candidate, the latest first."""
    found = [
        read
        for read in read_topic(settings, settings.named.findings)
        if kind_of(read) == NoticeKind.SAMPLE and told(read, "digest") == digest
    ]
    return sorted(found, key=lambda read: read.timestamp, reverse=True)


def _event(author: Author, action: Action, wanted: Deployment) -> Event:
    step = wanted.steps[-1]
    detail: Mapping[str, str | int | list[str]] = {
        "rule_set": f"{wanted.name}@{step.version}" if step.version else wanted.name,
        "digest": step.digest,
        "stage": step.stage,
        "revision": step.revision,
        "author": author.name,
        "why": step.reason,
        "tenants": list(step.tenants),
        "failed": list(step.forced),
    }
    return Event(author.actor, action, detail=dict(detail))


def _notices(settings: Settings, kind: NoticeKind, form: type[N]) -> list[N]:
    """The notices of a kind in the order of their times; what does not decode is left out."""
    found = []
    for read in read_topic(settings, settings.named.findings):
        if kind_of(read) == kind:
            with suppress(*UNDECODABLE):
                found.append(msgspec.json.decode(read.value or b"", type=form))
    return sorted(found, key=lambda each: each.time)
