"""Contacts' access over two workers, against a small model of its own, for any order that Kafka allows.

Kafka keeps the order within a contact and within a contract, and nothing between them: workers see each
other's states late, changes come late, twice or long before their time, and partitions move.
"""

from datetime import timedelta

import msgspec
import orjson
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streams.changes import Change, ChangeType
from streams.policy import Grants, Policy
from streams.revocations import Revocation
from streams.states import Phase
from tests.streams.world import CLAIMS, DISABLED, ENABLED, NOW, POLICY, PURGED, REVOKED, Portal, World, withdrawal

HOUR = timedelta(hours=1)
NO_GRACE_YET = Policy(Grants(POLICY.default.roles, POLICY.default.changes, grace_days=3650))
CONTACTS = ("c-1", "c-2", "c-3")
ROLES = ("admin", "billing", "external", "viewer", "emperor")
HOURS = st.integers(-5, 5)


class Worker(World):
    """A worker that owns some keys, and what it has not read yet of the others' writes."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(policy=policy)
        self.owned: set[str] = set()
        self.unread: list[tuple[str, bytes, bytes | None]] = []
        self.other: Worker | None = None

    def batch(self):
        batch = super().batch()
        batch._owns = self.owned.__contains__
        return batch

    def commit(self, batch, outcomes):
        super().commit(batch, outcomes)
        for outcome in outcomes:
            if outcome.contract is not None:
                self.other.unread.append(("rows", b"acme", orjson.dumps(outcome.contract)))
        for key, state in batch.changed.items():
            value = None if state is None else msgspec.json.encode(state)
            self.other.unread.append(("held", key.encode(), value))

    def read(self) -> None:
        for table, key, value in self.unread:
            getattr(self, table).apply(key, value)
        self.unread.clear()


class Model:
    """What access there is once everything has been heard: from the set of changes alone, in no order."""

    def __init__(self) -> None:
        self.came: set[Change] = set()
        self.withdrawn: dict[tuple[str, str], object] = {}

    def withdraw(self, change: Change, now) -> None:
        self.withdrawn.setdefault((change.source, change.id), now)

    def counts(self, change: Change, now) -> bool:
        """Come, due, and not withdrawn before its time."""
        at = self.withdrawn.get((change.source, change.id))
        return change.effective <= now and not (at is not None and at < change.effective)

    def latest(self, now, *kinds: ChangeType, contact: str = "") -> Change | None:
        found = [each for each in self.came if each.type in kinds and each.contact_id == contact]
        counted = [each for each in found if self.counts(each, now)]
        return max(counted, key=lambda each: (each.effective, each.id), default=None)

    def access(self, contact: str, now) -> frozenset[str] | None:
        if self.latest(now, ChangeType.LEFT, contact=contact):
            return frozenset()
        contract = self.latest(now, ChangeType.CONTRACT_ENDED, ChangeType.CONTRACT_RESUMED)
        if contract is not None and contract.type is ChangeType.CONTRACT_ENDED:
            return frozenset()
        role = self.latest(now, ChangeType.ROLE_CHANGED, contact=contact)
        if role is None:
            return None
        rights = POLICY.default.roles.get(role.new_role, frozenset())
        return frozenset() if role.new_role == "external" else rights

    def known(self) -> set[str]:
        return {each.contact_id for each in self.came if each.contact_id}


class Lifecycle(RuleBasedStateMachine):
    """Changes are made, and then come when they come."""

    policy = NO_GRACE_YET

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.model = Model()
        self.made: list[Change] = []
        self.told: list[Revocation] = []
        self.workers = (Worker(self.policy), Worker(self.policy))
        self.workers[0].other, self.workers[1].other = reversed(self.workers)

    @initialize(first=st.sets(st.sampled_from(("", *CONTACTS))))
    def share_out(self, first: set[str]) -> None:
        """Each contact, and the contract, is one worker's."""
        self.workers[0].owned = {f"acme|{each}" for each in first}
        self.workers[1].owned = {f"acme|{each}" for each in ("", *CONTACTS) if each not in first}

    def owner(self, key: str) -> Worker:
        return next(each for each in self.workers if key in each.owned)

    def deliver(self, change: Change) -> None:
        self.run(self.owner(change.key), lambda worker: worker.send(change))

    def run(self, worker: Worker, work) -> None:
        worker.now = self.now
        before = len(worker.told)
        work(worker)
        self.told += worker.told[before:]

    def make(self, kind: ChangeType, contact: str, hours: int, comes: bool, **data) -> None:
        effective = self.now + hours * HOUR
        change = Change(kind, "/crm", f"e-{len(self.made) * 7 % 100:02d}-{len(self.made)}", "acme", contact, effective)
        self.made.append(msgspec.structs.replace(change, **data))
        if comes:
            self.come(len(self.made) - 1)

    @rule(contact=st.sampled_from(CONTACTS), hours=HOURS, comes=st.booleans(), role=st.sampled_from(ROLES))
    def role_changes(self, contact: str, hours: int, comes: bool, role: str) -> None:
        """To any role, from any."""
        self.make(ChangeType.ROLE_CHANGED, contact, hours, comes, new_role=role)

    @rule(contact=st.sampled_from(CONTACTS), hours=HOURS, comes=st.booleans())
    def data_changes(self, contact: str, hours: int, comes: bool) -> None:
        """No matter of access."""
        self.make(ChangeType.UPDATED, contact, hours, comes, email=f"{contact}@example.org")

    @rule(contact=st.sampled_from(CONTACTS), hours=HOURS, comes=st.booleans())
    def contact_leaves(self, contact: str, hours: int, comes: bool) -> None:
        """For good."""
        self.make(ChangeType.LEFT, contact, hours, comes)

    @rule(hours=HOURS, comes=st.booleans())
    def contract_ends(self, hours: int, comes: bool) -> None:
        """Until it is resumed."""
        self.make(ChangeType.CONTRACT_ENDED, "", hours, comes)

    @rule(hours=HOURS, comes=st.booleans())
    def contract_is_resumed(self, hours: int, comes: bool) -> None:
        """Also one that has not ended yet."""
        self.make(ChangeType.CONTRACT_RESUMED, "", hours, comes)

    @precondition(lambda self: self.made)
    @rule(which=st.integers(0, 1000))
    def come(self, which: int) -> None:
        """A change that was made comes: for the first time, or again."""
        change = self.made[which % len(self.made)]
        self.model.came.add(change)
        self.deliver(change)

    @precondition(lambda self: self.made)
    @rule(which=st.integers(0, 1000))
    def is_withdrawn(self, which: int) -> None:
        """Before it has come, before its time, or too late."""
        change = self.made[which % len(self.made)]
        self.model.withdraw(change, self.now)
        self.deliver(withdrawal(change, f"w-{which}"))

    @rule(hours=st.integers(1, 4))
    def time_passes(self, hours: int) -> None:
        """Without a tick yet."""
        self.now += hours * HOUR

    @rule(which=st.integers(0, 1))
    def clock_ticks(self, which: int) -> None:
        """On one worker."""
        self.run(self.workers[which], lambda worker: worker.tick())

    @rule(which=st.integers(0, 1))
    def tables_follow(self, which: int) -> None:
        """One worker reads what the other wrote."""
        self.workers[which].read()

    @rule(key=st.sampled_from(("", *CONTACTS)))
    def partition_moves(self, key: str) -> None:
        """The new owner has caught up before it decides anything, as the lane has it."""
        old = self.owner(f"acme|{key}")
        old.owned.remove(f"acme|{key}")
        old.other.read()
        old.other.owned.add(f"acme|{key}")

    @rule()
    def all_is_heard(self) -> None:
        """Everything written has been read and has had its effect."""
        for worker in self.workers * 3:
            worker.read()
            self.run(worker, lambda each: each.tick())
        self.check()

    def teardown(self) -> None:
        """And again when every date has passed."""
        self.all_is_heard()
        self.now += 10 * HOUR
        self.all_is_heard()

    def check(self) -> None:
        portal = Portal(self.told)
        ends = {contact: portal.access(contact) for contact in self.model.known()}
        assert ends == {contact: self.model.access(contact, self.now) for contact in self.model.known()}

    @invariant()
    def no_token_is_told_twice(self) -> None:
        """Exactly once, whoever decides."""
        assert len({each.jti for each in self.told}) == len(self.told)

    @invariant()
    def nothing_is_given_after_a_leaving(self) -> None:
        """Neither the account nor rights, until the contact is erased with the contract."""
        gone: set[str] = set()
        for each in self.told:
            assert each.contact_id not in gone or each.event in (DISABLED, REVOKED, PURGED)
            if each.cause.type is ChangeType.LEFT:
                gone.add(each.contact_id)
            if each.event is PURGED:
                gone.discard(each.contact_id)

    @invariant()
    def roles_are_told_in_their_order(self) -> None:
        """A stale or repeated change of role tells nothing."""
        for contact in CONTACTS:
            causes = [each.cause for each in self.told if each.event is CLAIMS and each.contact_id == contact]
            orders = [each.order for each in causes if each.type is ChangeType.ROLE_CHANGED]
            assert orders == sorted(set(orders))

    @invariant()
    def accounts_come_back_with_a_resumption_only(self) -> None:
        """Each at most once for each resumption, which came and whose time has come."""
        given = [(each.contact_id, each.cause.id) for each in self.told if each.event is ENABLED]
        assert len(set(given)) == len(given)
        causes = [each.cause for each in self.told if each.event is ENABLED]
        assert all(each in self.model.came and self.model.counts(each, self.now) for each in causes)


class ShortGrace(Lifecycle):
    """With a grace period of hours: what was erased does not come back by itself."""

    policy = Policy(Grants(POLICY.default.roles, POLICY.default.changes, grace_days=0.2))

    def check(self) -> None:
        contract = self.workers[0].contract
        portal = Portal(self.told)
        renewed = contract.renewed if contract else None
        erased = contract is not None and contract.phase is Phase.ERASED
        for contact in self.model.known():
            access = portal.access(contact)
            assert not (erased and access)
            role = self.model.latest(self.now, ChangeType.ROLE_CHANGED, contact=contact)
            assert not access or renewed is None or (role is not None and role.effective >= renewed)
            assert not access or access == self.model.access(contact, self.now)

    @invariant()
    def what_is_erased_leaves_one_row(self) -> None:
        """The contract's own; contacts go as their workers follow."""
        owner = self.owner("acme|")
        contract = owner.contract
        left_behind = [each for each in owner.held.contacts_of("acme") if f"acme|{each.contact_id}" in owner.owned]
        assert (
            contract is None
            or contract.phase is not Phase.ERASED
            or all(each.term < contract.term for each in left_behind)
        )


_SETTINGS = {"derandomize": True, "deadline": None, "suppress_health_check": list(HealthCheck)}
Lifecycle.TestCase.settings = settings(max_examples=400, stateful_step_count=50, **_SETTINGS)
ShortGrace.TestCase.settings = settings(max_examples=250, stateful_step_count=50, **_SETTINGS)
TestLifecycle = Lifecycle.TestCase
TestShortGrace = ShortGrace.TestCase
