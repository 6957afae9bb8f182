"""`rmm-scrub verify` on a real broker: every spelling of a listed identifier is found, and pseudonyms are not."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from scrubbers.entities import EntityType
from scrubbers.pseudonyms import Pseudonymiser
from streams.cli import main
from tests.conftest import Pipeline, record
from tests.integration.test_auditor import knows, scrubbed

pytestmark = pytest.mark.integration

TYPES = {
    **dict.fromkeys(("ipv4", "ipv4_network", "ipv6", "ipv6_unc", "reverse_dns", "hostname_ip"), "IP_ADDRESS"),
    **dict.fromkeys(("hostname", "machine_account"), "COMPUTER_NAME"),
    **dict.fromkeys(("domain", "realm"), "DOMAIN_NAME"),
    "mac": "MAC_ADDRESS",
}


@pytest.fixture
def environment(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> Pipeline:
    """A pipeline that this process's commands use."""
    for name, value in pipeline.environment().items():
        monkeypatch.setenv(name, value)
    return pipeline


def spellings(shared: Path) -> list[tuple[str, dict[str, str]]]:
    """(text, entity) of each composed case whose type is one of ours."""
    cases: list[dict[str, Any]] = orjson.loads((shared / "vectors/text_forms.json").read_bytes())["cases"]
    return [(case["text"], entity) for case in cases for entity in case["entities"] if entity["type"] in TYPES]


def listed(path: Path, *rows: object) -> str:
    """A file of identifiers, one a line."""
    path.write_bytes(b"\n".join(row.encode() if isinstance(row, str) else orjson.dumps(row) for row in rows))
    return str(path)


def test_every_spelling_of_an_address_is_found(
    environment: Pipeline, shared: Path, tmp_path: Path, capsysbinary
) -> None:
    """text_forms.json: each entity is found in its text by its canonical form, and told by its line."""
    forms = spellings(shared)
    rows = [
        {"tenant": f"t{number}", "type": TYPES[entity["type"]], "value": entity["canonical"]}
        for number, (_, entity) in enumerate(forms)
    ]
    texts = [
        scrubbed(orjson.dumps({"m": text}), tenant=f"t{number}", content_type=b"application/json")
        for number, (text, _) in enumerate(forms)
    ]
    environment.tenants("acme")
    environment.send("scrubbed", texts)

    code = main(["verify", "--identifiers", listed(tmp_path / "all.ndjson", *rows), "--jobs", "1", "--json"])

    result = orjson.loads(capsysbinary.readouterr().out)
    assert code == 1
    assert {each["line"] for each in result["found"]} == set(range(1, len(forms) + 1))
    assert {each["pointer"] for each in result["found"]} == {"/m"}
    assert result["records"] == len(forms)


def test_what_was_scrubbed_holds_none_of_what_went_in(environment: Pipeline, tmp_path: Path, capsys) -> None:
    """Names, addresses in other spellings and the known entities: exit 0; other tenants' records are not held."""
    environment.tenants("acme", "borealis")
    event = (
        b'{"host":{"name":"GADWALL-7.birds.local","ip":"10.9.8.7"},"m":"10.9.8.7 on gadwall-7","v":"::ffff:10.9.8.7"}'
    )
    with environment.workers():
        environment.send("raw", [record(event, content_type=b"application/json", key=b"GADWALL-7")])
        environment.until(environment.drained)
    environment.send("scrubbed", [scrubbed(b'{"m":"gadwall-7"}', tenant="borealis")])

    file = listed(tmp_path / "names.txt", "GADWALL-7.birds.local", "010.009.008.007")

    assert main(["verify", "--identifiers", file, "--tenant", "acme", "--known"]) == 0
    assert "none of them is there" in capsys.readouterr().out
    assert main(["verify", "--identifiers", file]) == 1


def test_a_leak_is_told_by_line_and_place_without_its_value(environment: Pipeline, tmp_path: Path, capsys) -> None:
    """In two processes, with the name in a member's name, and an empty line in the file."""
    environment.tenants("acme")
    environment.send("scrubbed", [scrubbed(orjson.dumps({"by": {"Pintail-22": "x"}}))])

    code = main(["verify", "--identifiers", listed(tmp_path / "n.txt", "other-1", "", "pintail-22"), "--jobs", "2"])

    said = capsys.readouterr()
    assert code == 1
    assert "/by/<COMPUTER_NAME>" in said.out
    assert "3 " in said.out
    assert "pintail" not in (said.out + said.err).lower()


def test_reading_begins_where_it_is_told(environment: Pipeline, tmp_path: Path, capsysbinary) -> None:
    """Offsets and times; what is neither is an error."""
    environment.tenants("acme")
    environment.send("scrubbed", [scrubbed(b'{"m":"smew-1"}', key=b"k"), scrubbed(b'{"m":"smew-1"}', key=b"k")])
    file = listed(tmp_path / "n.txt", "smew-1")
    partition = environment.read("scrubbed")[0].partition

    main(["verify", "--identifiers", file, "--json", "--jobs", "1", "--from", f"{partition}:1"])
    by_offset = orjson.loads(capsysbinary.readouterr().out)
    late = main(["verify", "--identifiers", file, "--json", "--jobs", "1", "--from", "2100-01-01T00:00:00Z"])
    by_time = orjson.loads(capsysbinary.readouterr().out)

    assert (by_offset["records"], by_offset["found"][0]["offset"]) == (1, 1)
    assert (by_time["records"], late) == (0, 0)
    assert main(["verify", "--identifiers", file, "--from", "yesterday"]) == 1
    assert main(["verify"]) == 2


def test_known_entities_are_looked_for_among_their_tenants_records(environment: Pipeline, capsysbinary) -> None:
    """A name learned after its event is found in the retained topic."""
    environment.tenants("acme", "borealis")
    environment.send("scrubbed", [scrubbed(b'{"m":"garganey"}'), scrubbed(b'{"m":"garganey"}', tenant="borealis")])
    knows(environment, "garganey")

    assert main(["verify", "--known", "--json", "--jobs", "1"]) == 1

    assert [each["tenant"] for each in orjson.loads(capsysbinary.readouterr().out)["found"]] == ["acme"]


def test_an_address_that_is_another_listed_ones_pseudonym_is_no_leak(
    environment: Pipeline, tmp_path: Path, capsysbinary
) -> None:
    """With the keys: the pseudonym of a listed address happens to be listed as well."""
    environment.tenants("acme")
    image = Pseudonymiser(environment.keyring.tenant("acme")).replace(EntityType.IP_ADDRESS, "10.1.2.3")
    environment.send("scrubbed", [scrubbed(orjson.dumps({"ip": image}))])

    code = main(["verify", "--identifiers", listed(tmp_path / "n.txt", "10.1.2.3", image), "--json", "--jobs", "1"])

    assert code == 0
    assert orjson.loads(capsysbinary.readouterr().out)["ambiguous"] == 1
