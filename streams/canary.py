"""Canaries on the way: published by one worker on a timer, looked for by all, and missed when they stay away.

They are events of a tenant of their own (`rmm-scrub-canary`), which needs a contract and keys like any other; without
them nothing is published.
"""

from collections.abc import Callable, Iterable, Iterator

from scrubbers.canaries import HOUR, MARK, TENANT, Canary, canary, events
from scrubbers.contents import Content
from scrubbers.entities import EntityType, Known
from scrubbers.identifiers import Identifiers
from scrubbers.keyring import Keyring, KeyUnavailable
from scrubbers.leaks import Finder, Hit, How
from scrubbers.pseudonyms import Pseudonymiser
from scrubbers.rules import RuleSet
from streams.config import Settings
from streams.rows import ContractRow, ContractStatus
from streams.tables import Rows
from streams.transactions import Output

__all__ = ["TENANT", "CanaryWatch"]

# A pseudonymous address may be a canary's by chance, a name cannot: elsewhere only names are looked for.
_EVERYWHERE = frozenset(
    {EntityType.COMPUTER_NAME, EntityType.DOMAIN_NAME, EntityType.USER_NAME, EntityType.EMAIL_ADDRESS}
)
_PUBLISHING_PARTITION = 0  # of the scrubbed topic: the worker whose auditor reads it publishes


class CanaryWatch:
    """Which canaries are in use, when the next are due, and when one was last seen to come out scrubbed."""

    def __init__(
        self,
        settings: Settings,
        keyring: Keyring,
        contracts: Rows[ContractRow],
        known: Callable[[str], Iterable[Known]],
        rules: Callable[[str], RuleSet],
    ) -> None:
        """`known` gives the names that a tenant is known to use: the canaries' of past hours are forgotten."""
        self.settings = settings
        self.keyring = keyring
        self.contracts = contracts
        self._known = known
        self._rules = rules
        self._assigned: set[int] = set()
        self._published = 0.0
        self._publishing = 0.0
        self._seen = 0.0
        self._active_since = 0.0
        self._made_for: tuple[int, RuleSet] | None = None  # hour and rules that what is looked for was made for
        self._all, self._names = Identifiers(), Identifiers()

    def owns(self, partitions: set[int]) -> None:
        """Which partitions of the scrubbed topic this worker reads; the set is the lane's own."""
        self._assigned = partitions

    @property
    def active(self) -> bool:
        """Whether canaries are published: they and the auditor are on, and their tenant has a contract and keys."""
        contract = self.contracts.get(TENANT)
        if self.settings.canary_seconds <= 0 or self.settings.audit_share <= 0:
            return False
        if contract is None or contract.status is not ContractStatus.ACTIVE:
            return False
        try:
            self.keyring.tenant(TENANT)
        except KeyUnavailable:
            return False
        return True

    def age(self, now: float) -> float:
        """Seconds since the newest canary event that this worker saw come out scrubbed was published.

        As long as there is none, since canaries are published or the worker runs; 0 when none are published.
        """
        if not self.active:
            self._active_since = 0.0
            return 0.0
        self._active_since = self._active_since or now
        return max(0.0, now - max(self._seen, self._active_since))

    def due(self, now: float) -> list[Output]:
        """Raw canary events, if it is time and this worker's part; and what was known of canaries of past hours."""
        if _PUBLISHING_PARTITION not in self._assigned or now - self._published < self.settings.canary_seconds:
            return []
        if not self.active:
            return []
        self._publishing = now
        topic = self.settings.named.raw
        current = self._in_use(now)
        raw = [Output(topic, event.key, event.value, event.headers) for event in events(current[0])]
        return [*raw, *self._forgotten(current)]

    def published(self) -> None:
        """What `due` gave is committed."""
        self._published = max(self._published, self._publishing)

    def seen(self, timestamp: float) -> None:
        """A canary event that was published then came out scrubbed."""
        self._seen = max(self._seen, timestamp)

    def finder(self, tenant: str | None, now: float) -> Finder:
        """Finds the canaries of this hour and the one before."""
        hour, rules = int(now) // HOUR, self._rules(TENANT)
        if self._made_for is None or self._made_for[0] != hour or self._made_for[1] is not rules:
            self._renew(now, rules)
            self._made_for = hour, rules
        identifiers = self._all if tenant == TENANT else self._names
        own = tenant == TENANT

        def finder(content: Content) -> Iterator[Hit]:
            if own or MARK in content.text.lower():
                for each in identifiers.find(content.text):
                    yield Hit(each.start, each.end, each.type, How.CANARY, each.number)

        return finder

    def keys_changed(self) -> None:
        """Make canaries and decide what is looked for anew."""
        self._made_for = None

    def _in_use(self, now: float) -> tuple[Canary, Canary]:
        key, hour = self.keyring.canary_key(), int(now) // HOUR
        return canary(key, hour), canary(key, hour - 1)

    def _renew(self, now: float, rules: RuleSet) -> None:
        wanted = [known for each in self._in_use(now) for known in each.known()]
        replaced = self._replaced(rules)
        self._all = Identifiers((0, known) for known in wanted if replaced(known))
        self._names = Identifiers((0, known) for known in wanted if known.type in _EVERYWHERE and replaced(known))

    def _replaced(self, rules: RuleSet) -> Callable[[Known], bool]:
        """Whether the tenant's operators replace an identifier at all: some keep addresses set aside for documents."""
        try:
            pseudonymiser = Pseudonymiser(self.keyring.tenant(TENANT), rules.operators)
        except KeyUnavailable:
            return lambda _: True
        return lambda known: pseudonymiser.replace(known.type, known.value) != known.value

    def _forgotten(self, current: Iterable[Canary]) -> Iterator[Output]:
        wanted = {name for each in current for name in (each.computer, each.netbios.lower(), each.user)}
        keys = self.keyring.tenant(TENANT)
        for known in list(self._known(TENANT)):
            if not any(value in known.value for value in wanted):
                digest = keys.entity_digest(known.type, known.value)
                yield Output(self.settings.named.known_entities, digest.encode(), None)
