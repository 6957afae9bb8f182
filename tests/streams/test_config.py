"""Settings: file, then environment; what is wrong is named."""

import pytest

from schemas.errors import UserError
from streams.config import load


def test_variables_override_the_file(tmp_path) -> None:
    """Nested settings by their prefixes; a prefix goes before every topic."""
    file = tmp_path / "rmm.yaml"
    file.write_text("group: a\npartitions: 3\ntopics: {raw: x.raw}\nkafka: {security.protocol: SSL}\n")
    settings = load(
        {
            "RMM_SCRUB_CONFIG": str(file),
            "RMM_SCRUB_GROUP": "b",
            "RMM_SCRUB_TOPIC_PREFIX": "p.",
            "RMM_SCRUB_LIMIT_DEPTH": "9",
        }
    )
    assert (settings.group, settings.partitions, settings.limits.depth) == ("b", 3, 9)
    assert (settings.named.raw, settings.named.audit) == ("p.x.raw", "p.rmm.access.audit")
    assert settings.client(group_id="g")["security.protocol"] == "SSL"


def test_a_topic_is_renamed_by_its_variable() -> None:
    """As the contract says."""
    assert load({"RMM_SCRUB_TOPIC_RAW": "mine"}).named.raw == "mine"


@pytest.mark.parametrize(
    ("text", "said"),
    [("partitions: many", "partitions"), ("nonsense: 1", "nonsense"), ("a: [", "line"), ("- x", "mapping")],
)
def test_what_is_wrong_is_named(tmp_path, text: str, said: str) -> None:
    """With the file or the setting."""
    file = tmp_path / "rmm.yaml"
    file.write_text(text)
    with pytest.raises(UserError, match=said):
        load({"RMM_SCRUB_CONFIG": str(file)})


def test_a_kafka_of_ones_own_for_demo_and_tests_is_no_setting() -> None:
    """`RMM_SCRUB_KAFKA` is an address; `kafka` holds properties of clients."""
    assert load({"RMM_SCRUB_KAFKA": "localhost:9092"}).kafka == {}
