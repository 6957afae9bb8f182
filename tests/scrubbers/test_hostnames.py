"""Names: one normal form, and what is personal in a field's value."""

import pytest

from scrubbers.hostnames import accounts, candidates, is_domain, is_fqdn, is_name, is_named, normalise


def read(value: str, reader=candidates) -> list[tuple[str, str]]:
    """(text, type) of what is personal in a value."""
    return [(value[part.start : part.end], part.type.value) for part in reader(value)]


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (r"\\UTICA\c$", [("UTICA", "COMPUTER_NAME")]),
        (r"\\?\UNC\UTICA\x", [("UTICA", "COMPUTER_NAME")]),
        ("UTICA$", [("UTICA", "COMPUTER_NAME")]),
        (r"CORP\UTICA$", [("CORP", "DOMAIN_NAME"), ("UTICA", "COMPUTER_NAME")]),
        (r"CORP\jdoe", [("CORP", "DOMAIN_NAME"), ("jdoe", "USER_NAME")]),
        (
            "host/utica.example.local@EXAMPLE.LOCAL",
            [("utica.example.local", "COMPUTER_NAME"), ("EXAMPLE.LOCAL", "DOMAIN_NAME")],
        ),
        ("MSSQLSvc/utica:1433", [("utica", "COMPUTER_NAME")]),
        ("utica.example.local:3389", [("utica.example.local", "COMPUTER_NAME")]),
        ("https://u@utica.example.local:8443/x", [("utica.example.local", "COMPUTER_NAME")]),
        ("10.0.0.1:80", [("10.0.0.1", "IP_ADDRESS")]),
        ("[fe80::1]:80", [("fe80::1", "IP_ADDRESS")]),
        (" FS01, FS02;10.0.0.1", [("FS01", "COMPUTER_NAME"), ("FS02", "COMPUTER_NAME"), ("10.0.0.1", "IP_ADDRESS")]),
    ],
)
def test_a_host_fields_value_is_taken_apart(value: str, wanted: list[tuple[str, str]]) -> None:
    """Tightly: without slashes, dollar, port."""
    assert read(value) == wanted


@pytest.mark.parametrize("value", ["", "-", "N/A", "localhost", "WORKGROUP", r"NT AUTHORITY\SYSTEM", "DWM-1", "12345"])
def test_values_that_name_nobody_give_nothing(value: str) -> None:
    """In host fields."""
    assert read(value) == []


@pytest.mark.parametrize("value", ["SYSTEM", "S-1-5-18", "S-1-5-32-544", "ANONYMOUS LOGON", "-", "UMFD-0"])
def test_windows_own_accounts_give_nothing(value: str) -> None:
    """In account fields."""
    assert read(value, accounts) == []


def test_account_fields_tell_machines_mail_and_users() -> None:
    """`NAME$`, an address, and a plain account."""
    assert read("UTICA$", accounts) == [("UTICA", "COMPUTER_NAME")]
    assert read("j@example.com", accounts) == [("j@example.com", "EMAIL_ADDRESS")]
    assert read("jdoe", accounts) == [("jdoe", "USER_NAME")]


def test_normal_forms_agree() -> None:
    """Case, dot, dollar, slashes, composed and internationalised letters."""
    assert {normalise(text) for text in ("UTICA", "utica.", "Utica$", "\\\\utica")} == {"utica"}
    assert normalise("Mu\u0308ller-PC") == normalise("MÜLLER-PC") == "xn--mller-pc-65a"


def test_domains_are_told_from_hosts_by_form() -> None:
    """Under public and internal suffixes."""
    domains = ("example.com", "example.co.uk", "example.local", "co.uk")
    hosts = ("web01.example.com", "utica.example.local", "johns-macbook-pro.local", "utica")
    assert [is_domain(name) for name in domains + hosts] == [True] * 4 + [False] * 4


def test_what_a_name_is() -> None:
    """Lengths, letters, labels."""
    assert all(is_name(text) for text in ("fs01", "a-b.c_d", "x" * 63))
    assert not any(is_name(text) for text in ("x", "123", "a..b", "-a-", "x" * 64, "a b", "1.2.3"))
    assert is_fqdn("a.b")
    assert not is_fqdn("ab")
    assert not is_named("  - ")
