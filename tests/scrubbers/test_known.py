"""Known entities: found anywhere as whole tokens, nothing learned that would shred text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scrubbers.entities import EntityType as E
from scrubbers.entities import Known
from scrubbers.known import KnownEntities, related, worth_knowing


def knowing(*values: str, kind: E = E.COMPUTER_NAME) -> KnownEntities:
    """A tenant that knows these."""
    known = KnownEntities()
    for value in values:
        known.add("acme", Known(kind, value))
    return known


def found(known: KnownEntities, text: str, tenant: str = "acme") -> list[str]:
    """The texts that are found."""
    return [text[each.start : each.end] for each in known.find(tenant, text)]


@pytest.mark.parametrize(
    "text",
    [
        "disk full on FS01",
        r"\\fs01\c$",
        "FS01$",
        "(Fs01)",
        "fs01.other.example",
        "PSEXESVC-FS01-72-stdin",
        "a_fs01_b",
        "fs01:80",
    ],
)
def test_a_known_name_is_found_wherever_it_stands(text: str) -> None:
    """In any case, bounded by anything but letters and digits."""
    assert [each.lower() for each in found(knowing("fs01"), text)] == ["fs01"]


@pytest.mark.parametrize("text", ["xfs01", "fs012", "fs0", "", "f-s01"])
def test_nothing_is_found_inside_longer_words(text: str) -> None:
    """Whole tokens only."""
    assert found(knowing("fs01"), text) == []


def test_the_longest_name_is_taken() -> None:
    """The FQDN before its label, `jansen-lt` before `jansen`."""
    known = knowing("utica", "utica.example.local", "jansen", "jansen-lt")
    assert found(known, "utica.example.local UTICA jansen-lt") == ["utica.example.local", "UTICA", "jansen-lt"]


def test_a_host_under_a_known_domain_is_found_whole() -> None:
    """Also one that nobody has seen yet, next to one that is known."""
    known = knowing("fs19")
    known.add("acme", Known(E.DOMAIN_NAME, "ad.example.nl"))
    text = "AMS-FS19.ad.example.nl and fs19.ad.example.nl in ad.example.nl"
    assert found(known, text) == ["AMS-FS19.ad.example.nl", "fs19.ad.example.nl", "ad.example.nl"]


def test_tenants_know_their_own_names_only() -> None:
    """Another tenant's text is left alone."""
    assert found(knowing("fs01"), "fs01", "borealis") == []


def test_persons_are_found_over_several_words() -> None:
    """Case and spacing do not count."""
    assert found(knowing("jan de vries", kind=E.PERSON), "Dear Jan  de Vries,") == ["Jan  de Vries"]


def test_internationalised_names_are_found() -> None:
    """Learned as A-label, found as written."""
    assert found(knowing("xn--mller-pc-65a"), "login on MÜLLER-PC failed") == ["MÜLLER-PC"]


@pytest.mark.parametrize(
    "value", ["localhost", "-", "n/a", "workgroup", "system", "server", "12345", "ab", "10.0.0.1", "_ldap", "xxxx", ""]
)
def test_junk_is_not_learned(value: str) -> None:
    """The learning policy."""
    assert not worth_knowing(Known(E.COMPUTER_NAME, value))


def test_a_dns_name_teaches_its_label_and_domain() -> None:
    """But no public suffix."""
    taught = {(each.type, each.value) for each in related(Known(E.COMPUTER_NAME, "utica.example.local"))}
    assert taught == {
        (E.COMPUTER_NAME, "utica.example.local"),
        (E.COMPUTER_NAME, "utica"),
        (E.DOMAIN_NAME, "example.local"),
    }
    assert len(related(Known(E.COMPUTER_NAME, "utica.co.uk"))) == 2


def test_a_forgotten_name_is_no_longer_found_and_the_version_says_so() -> None:
    """Tombstones."""
    known = knowing("fs01")
    version = known.version("acme")
    known.discard("acme", Known(E.COMPUTER_NAME, "fs01"))
    assert found(known, "fs01") == []
    assert known.version("acme") != version


NAMES = st.from_regex(r"[a-z]{2,6}[0-9]{1,3}(?:-[a-z0-9]{2,6})?", fullmatch=True)
AROUND = st.sampled_from(["", " ", "\\\\", '"', "(", "/", "=", ": ", ",", "\t", "@"])


@given(NAMES, AROUND, AROUND, st.booleans())
def test_any_known_name_is_found_in_any_surroundings(name: str, before: str, after: str, upper: bool) -> None:
    """Whatever separates it."""
    known = knowing(name)
    text = before + (name.upper() if upper else name) + after
    assert [each.lower() for each in found(known, text)] == (
        [name] if worth_knowing(Known(E.COMPUTER_NAME, name)) else []
    )
