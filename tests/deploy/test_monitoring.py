"""Alert rules and the dashboard name metrics that the workers have."""

import re
from pathlib import Path

import orjson
import pytest
import yaml

from scrubbers.entities import EntityType
from streams.metrics import Metrics

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus/rules.yaml"
DASHBOARD = DEPLOY / "grafana/dashboard.json"
_NAME = re.compile(r"\brmm_scrub_\w+")
_SUFFIXES = re.compile(r"_(?:bucket|sum|count)$")


def there() -> set[str]:
    """Names in the exposition of a worker that has counted nothing yet."""
    kinds = re.findall(rb"^# TYPE (\S+) ", Metrics().text(), re.MULTILINE)
    return {kind.decode() for kind in kinds}


def named(text: str) -> set[str]:
    """Metrics in an expression; `rmm_scrub_batch_seconds_bucket` is of `rmm_scrub_batch_seconds`."""
    return {_SUFFIXES.sub("", name) for name in _NAME.findall(text)}


@pytest.mark.parametrize("path", [RULES, DASHBOARD], ids=lambda path: path.name)
def test_every_metric_exists(path: Path) -> None:
    """A renamed metric would silence an alert without a word."""
    assert named(path.read_text()) <= there()
    assert len(named(path.read_text())) > 5


def test_every_alert_says_what_to_do() -> None:
    """Name, severity, a summary and a description; each once."""
    alerts = [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]

    assert len({alert["alert"] for alert in alerts}) == len(alerts)
    assert {alert["labels"]["severity"] for alert in alerts} == {"critical", "warning"}
    assert all(set(alert["annotations"]) == {"summary", "description"} for alert in alerts)


def test_the_leak_metrics_have_their_alerts() -> None:
    """What must stay at 0 is watched."""
    text = RULES.read_text()

    assert {"rmm_scrub_leaks_total", "rmm_scrub_canary_leaks_total", "rmm_scrub_canary_seen_seconds"} <= named(text)


def test_the_first_leak_of_a_kind_raises_the_alert() -> None:
    """`increase` sees no rise in a series that begins at 1: each one is there, at 0, before anything leaks."""
    found = Metrics().text().decode()
    kinds = {line.partition(" ")[0] for line in found.splitlines() if line.startswith("rmm_scrub_leaks_total{")}

    assert {
        f'rmm_scrub_leaks_total{{how="{how}",type="{kind}"}}' for how in ("known-entity", "form") for kind in EntityType
    } <= kinds
    assert 'rmm_scrub_leaks_total{how="unsearched",type=""}' in kinds


def test_the_dashboard_is_whole() -> None:
    """Each panel has a query and a place of its own."""
    panels = orjson.loads(DASHBOARD.read_bytes())["panels"]

    assert all(target["expr"] for panel in panels for target in panel["targets"])
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
    assert len({panel["id"] for panel in panels}) == len(panels)
