"""A list of identifiers is found in all spellings, at word boundaries, whatever a rule would say."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from scrubbers.entities import EntityType, Known
from scrubbers.identifiers import Identifiers
from tests.integration.test_verify import TYPES


def found(kind: EntityType, value: str, text: str) -> list[str]:
    """What of the text is found when one identifier is listed."""
    return [text[each.start : each.end] for each in Identifiers([(1, Known(kind, value))]).find(text)]


class TestAddresses:
    @pytest.mark.parametrize(
        "text",
        [
            "10.77.3.9",
            "010.077.003.009:443",
            "host10.77.3.9 is up",
            "conn_10.77.3.9_443",
            "version 10.77.3.9",
            "1 -> 10.77.3.9.51515: Flags",
            "10.77.3.9/24",
            "9.3.77.10.in-addr.arpa",
            "ip-10-77-3-9.eu-central-1.compute.internal",
            "::ffff:10.77.3.9",
            "::ffff:a4d:309",
            "0:0:0:0:0:ffff:10.77.3.9",
            "ffff%3A%3A1, %3A%3Affff%3A0a4d%3A0309",
            "a:10.77.3.9, b",
        ],
    )
    def test_every_spelling(self, text):
        """Dotted, padded, with port, in names, reversed, mapped."""
        assert len(found(EntityType.IP_ADDRESS, "10.77.3.9", text)) == 1

    @pytest.mark.parametrize(
        "text", ["110.77.3.9", "10.77.3.90", "10.77.3.9.4.1", "1.10.77.3.9", "9.3.77.10", "10-77-3-9-1", "10.77.3"]
    )
    def test_no_other_number(self, text):
        """Longer numbers, OIDs, the reversed one."""
        assert found(EntityType.IP_ADDRESS, "10.77.3.9", text) == []

    @pytest.mark.parametrize(
        "text",
        [
            "[2A02:8108:77:0:0:0:0:9]:80",
            "2a02:8108:77::9%eth0",
            "2a02-8108-77--9.ipv6-literal.net",
            "2a02:8108:77:0::9/64",
            "via 2a02:8108:0077::0009: no route",
            "9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.7.7.0.0.8.0.1.8.2.0.a.2.ip6.arpa",
        ],
    )
    def test_every_spelling_of_ipv6(self, text):
        """Upper case, zone, literal, mask, padded, reversed."""
        assert len(found(EntityType.IP_ADDRESS, "2a02:8108:77::9", text)) == 1

    def test_a_network_is_found_as_one(self):
        """Its own mask, in a partial reverse name too; not each address in it."""
        assert found(EntityType.IP_ADDRESS, "10.20.0.0/16", "10.20.0.0/16 20.10.in-addr.arpa 10.20.0.0 10.20.1.1") == [
            "10.20.0.0/16",
            "20.10.in-addr.arpa",
        ]

    @pytest.mark.parametrize(
        "text",
        [
            "00:1A:2B:3C:4D:5E",
            "00-1a-2b-3c-4d-5e",
            "001a.2b3c.4d5e",
            "1:00:1a:2b:3c:4d:5e",
            "x=001A2B3C4D5E",
            "001a2b-3c4d5e",
        ],
    )
    def test_every_spelling_of_a_mac(self, text):
        """Colons, hyphens, Cisco's, behind a hardware type, bare."""
        assert len(found(EntityType.MAC_ADDRESS, "00:1a:2b:3c:4d:5e", text)) == 1

    def test_not_inside_longer_hex(self):
        """A digest that holds the digits by chance."""
        assert found(EntityType.MAC_ADDRESS, "00:1a:2b:3c:4d:5e", "ab001a2b3c4d5e 001a2b3c4d5e77") == []


class TestNames:
    @pytest.mark.parametrize(
        "text", ["on WORKSTATION5.", r"\\workstation5\c$", "PSEXESVC-Workstation5-7256", "workstation5.corp.example"]
    )
    def test_bounded_in_any_case(self, text):
        """As known names are found."""
        assert len(found(EntityType.COMPUTER_NAME, "WORKSTATION5", text)) == 1

    def test_not_inside_a_word(self):
        """Letters and digits continue a word."""
        assert found(EntityType.COMPUTER_NAME, "utica", "muticap utica5 auticate") == []

    def test_ordinary_words_are_hunted_too(self):
        """Whoever lists `server` wants it found; the scrubber's learning policy is not asked."""
        assert found(EntityType.COMPUTER_NAME, "server", "the server") == ["server"]

    def test_a_dotted_name_is_found_whole_and_by_its_label(self):
        """`utica.example.local` also stands for `utica`; a label that is a common word does not."""
        assert found(EntityType.COMPUTER_NAME, "utica.example.local", "UTICA.example.local utica") == [
            "UTICA.example.local",
            "utica",
        ]
        assert found(EntityType.COMPUTER_NAME, "mail.example.local", "mail from me") == []

    def test_a_name_cut_to_netbios_length(self):
        """Windows writes its first 15 characters."""
        assert found(EntityType.COMPUTER_NAME, "accounting-laptop-07", "on ACCOUNTING-LAPT") == ["ACCOUNTING-LAPT"]

    @pytest.mark.parametrize("text", ["BÜCHER-1", "bu\u0308cher-1", "xn--bcher-1-n2a"])
    def test_scripts_and_normal_forms(self, text):
        """NFC, NFD and the A-label are one name."""
        assert len(found(EntityType.COMPUTER_NAME, "bücher-1", text)) == 1

    def test_mail_persons_and_phones(self):
        """With any white space inside a name, any punctuation inside a number."""
        assert found(EntityType.EMAIL_ADDRESS, "J.Doe@Example.com", "<j.doe@example.com>") == ["j.doe@example.com"]
        assert found(EntityType.PERSON, "Anna de Vries", "by anna  de\tvries.") == ["anna  de\tvries"]
        assert found(EntityType.PHONE_NUMBER, "+31612345678", "call 06-1234 5678") == ["06-1234 5678"]
        assert found(EntityType.COMPUTER_NAME, "Maria's PC", "on MARIA'S PC") == ["MARIA'S PC"]

    def test_many_names_of_one_beginning(self):
        """The longest counts, under its own number."""
        names = Identifiers((n, Known(EntityType.COMPUTER_NAME, f"desktop-{n}")) for n in range(2_000))
        names.add(5_000, Known(EntityType.COMPUTER_NAME, "desktop-7-b"))

        assert [each.number for each in names.find("DESKTOP-7-B, desktop-1999")] == [5_000, 1_999]


def test_what_cannot_be_looked_for_is_said():
    """A line of dashes, half an address."""
    assert not Identifiers().add(1, Known(EntityType.COMPUTER_NAME, "--"))
    assert not Identifiers().add(1, Known(EntityType.MAC_ADDRESS, "00:1a"))


def test_repr_shows_none():
    """It may end up in a log."""
    assert repr(Identifiers([(1, Known(EntityType.COMPUTER_NAME, "utica"))])) == "Identifiers(1)"


def test_composed_cases(shared: Path) -> None:
    """Each entity of text_forms.json is found in its text by its canonical form."""
    cases: list[dict[str, Any]] = orjson.loads((shared / "vectors/text_forms.json").read_bytes())["cases"]
    entities = [(case["text"], each) for case in cases for each in case["entities"] if each["type"] in TYPES]

    missed = [
        each["text"] for text, each in entities if not found(EntityType(TYPES[each["type"]]), each["canonical"], text)
    ]

    assert missed == []
    assert len(entities) > 40
