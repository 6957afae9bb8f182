"""Records that must end in quarantine: one for each reason that input alone can give."""

from streams.demo.estate import Machine
from streams.demo.events import SEQUENCE, Event

ENDED_TENANT = "delta"  # its contract has ended
KEYLESS_TENANT = "echo"  # has a contract, but no keys


def records(machine: Machine, first: int) -> list[Event]:
    """Nasty records about a real machine, numbered from `first` on."""
    host = f'{{"host":{{"name":"{machine.fqdn}"}},"ip":"{machine.ipv4}"'.encode()
    tenant = ("tenant", machine.tenant.encode())
    json = ("content-type", b"application/json")
    made: list[tuple[str, bytes, list[tuple[str, bytes]]]] = [
        ("malformed_json", host + b',"cut": "of', [tenant, json]),
        ("malformed_json", host + b',"ip":"twice"}', [tenant, json]),
        ("not_utf8", host + b',"name":"M\xfcller"}', [tenant]),
        ("too_large", host + b',"dump":"' + b"A" * 1_000_001 + b'"}', [tenant, json]),
        ("too_deep", host + b',"a":' + b"[" * 70 + b"]" * 70 + b"}", [tenant, json]),
        ("missing_tenant", host + b"}", [json]),
        ("unknown_tenant", host + b"}", [("tenant", b"nobody"), json]),
        ("contract_ended", host + b"}", [("tenant", ENDED_TENANT.encode()), json]),
        ("key_unavailable", host + b"}", [("tenant", KEYLESS_TENANT.encode()), json]),
        (
            "schema_violation",
            host + b',"specversion":"1.0"}',
            [tenant, ("content-type", b"application/cloudevents+json")],
        ),
        ("already_pseudonymised", host + b"}", [tenant, json, ("scrub-scheme", b"v1")]),
    ]
    return [
        Event(
            machine.tenant,
            "",
            "nasty",
            machine.name.encode(),
            value,
            [(SEQUENCE, str(number).encode()), *headers],
            reason,
        )
        for number, (reason, value, headers) in enumerate(made, start=first)
    ]
