"""Metric names and units in one place (Prometheus). No label ever holds an input value."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from scrubbers.entities import EntityType
from scrubbers.leaks import How

_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """What one worker process counts; `text()` is the exposition for `/metrics`."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.records = Counter(
            "rmm_scrub_records_total", "Input records answered and committed", ["lane"], registry=self.registry
        )
        self.outcomes = Counter(
            "rmm_scrub_outcomes_total", "Input records by how they ended", ["lane", "outcome"], registry=self.registry
        )
        self.quarantined = Counter(
            "rmm_scrub_quarantined_total", "Quarantined records by reason", ["lane", "reason"], registry=self.registry
        )
        self.findings = Counter(
            "rmm_scrub_findings_total", "Replaced findings by entity type", ["type"], registry=self.registry
        )
        self.learned = Counter(
            "rmm_scrub_learned_total", "Known entities learned, by entity type", ["type"], registry=self.registry
        )
        self.collisions = Counter(
            "rmm_scrub_pseudonym_collisions_total", "Names with the pseudonym of another name", registry=self.registry
        )
        self.revocations = Counter(
            "rmm_scrub_revocations_total", "Security Event Tokens emitted, by event", ["event"], registry=self.registry
        )
        self.withheld = Counter(
            "rmm_scrub_tenant_revocations_withheld_total",
            "Ends of contracts that were told to each contact instead of to the whole tenant",
            registry=self.registry,
        )
        self.key_failures = Counter(
            "rmm_scrub_key_failures_total",
            "Keys of a tenant that could not be shredded or added; tried again",
            ["action"],
            registry=self.registry,
        )
        self.leaks = Counter(
            "rmm_scrub_leaks_total",
            "Identifiers found in scrubbed events, by entity type and how they are known",
            ["type", "how"],
            registry=self.registry,
        )
        # An alert on a rise sees none in a series that begins with its first leak.
        for kind in EntityType:
            self.leaks.labels(kind, How.KNOWN)
            self.leaks.labels(kind, How.FORM)
        self.leaks.labels("", How.UNSEARCHED)
        self.canary_leaks = Counter(
            "rmm_scrub_canary_leaks_total", "Canary identifiers found in scrubbed events", registry=self.registry
        )
        self.canary_seen = Gauge(
            "rmm_scrub_canary_seen_seconds",
            "Age of the newest canary event that this worker saw come out scrubbed; 0 if none are published",
            registry=self.registry,
        )
        self.retries = Counter(
            "rmm_scrub_batch_retries_total", "Batches that failed in the agent", ["lane"], registry=self.registry
        )
        self.aborts = Counter(
            "rmm_scrub_transaction_aborts_total", "Aborted Kafka transactions", ["lane"], registry=self.registry
        )
        self.batch_seconds = Histogram(
            "rmm_scrub_batch_seconds", "From read to committed", ["lane"], buckets=_SECONDS, registry=self.registry
        )
        self.transaction_seconds = Histogram(
            "rmm_scrub_transaction_seconds", "Kafka transactions", ["lane"], buckets=_SECONDS, registry=self.registry
        )
        self.lag = Gauge("rmm_scrub_lag_records", "Records that wait", ["lane"], registry=self.registry)
        self.assigned = Gauge("rmm_scrub_assigned_partitions", "Partitions held", ["lane"], registry=self.registry)
        self.undecodable = Gauge(
            "rmm_scrub_table_undecodable_rows",
            "Records of a table's topic that broke its schema",
            ["table"],
            registry=self.registry,
        )
        self.rule_set_info = Gauge(
            "rmm_scrub_rule_set_info",
            "Rule sets that this worker uses",
            ["name", "version", "digest", "stage"],
            registry=self.registry,
        )
        self.rule_sets_refused = Counter(
            "rmm_scrub_rule_set_refused_total", "Published rule sets that could not be used", registry=self.registry
        )
        self.shadow_records = Counter(
            "rmm_scrub_shadow_records_total",
            "Records of the shadow's share by what it did with them",
            ["outcome"],
            registry=self.registry,
        )
        self.shadow_differences = Counter(
            "rmm_scrub_shadow_differences_total",
            "Findings in which the rule set in shadow differs from the live one",
            ["kind", "type", "rule"],
            registry=self.registry,
        )
        self.notices_lost = Counter(
            "rmm_scrub_notices_lost_total", "Notices that the findings topic did not take", registry=self.registry
        )
        self.table_rows = Gauge("rmm_scrub_table_rows", "Rows of a table", ["table"], registry=self.registry)

    def batch(self, lane: str, records: int, seconds: float) -> None:
        """A batch of so many records was committed after so many seconds."""
        self.records.labels(lane).inc(records)
        self.batch_seconds.labels(lane).observe(seconds)

    def text(self) -> bytes:
        """The exposition text of everything counted."""
        return generate_latest(self.registry)
