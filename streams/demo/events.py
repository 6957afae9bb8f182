"""Monitoring events of an estate, in the shapes that tools emit."""

import random
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import orjson

from schemas.errors import UserError
from scrubbers.event import DocumentError, look_up, parse
from scrubbers.records import Headers
from streams.demo.estate import Machine

SEQUENCE = "x-demo-seq"  # numbers the input; survives scrubbing, so each output is told apart
_START = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
# Look-alikes: they stand in events and must come out as they went in.
SURVIVORS = ("10.0.22631.4317", "1.3.6.1.4.1.311", "7d3be4b5-0df0-5f2a-4500-000000000400", "svchost.exe")


class Event(msgspec.Struct, frozen=True):
    """An event to publish: `device` names what order is kept for; `kind` the tool."""

    tenant: str
    device: str
    kind: str
    key: bytes | None
    value: bytes
    headers: Headers
    reason: str | None = None  # why it must end in quarantine


class _Scene(msgspec.Struct, frozen=True):
    """What one event is about."""

    machine: Machine
    other: Machine
    time: datetime
    number: int
    chance: random.Random


Maker = Callable[[_Scene], Any]


def _windows(scene: _Scene) -> Any:
    """A logon in Winlogbeat's shape, with the message Windows writes."""
    machine, other = scene.machine, scene.other
    message = (
        f"An account was successfully logged on.\r\n\r\nSubject:\r\n\tSecurity ID:\t\tS-1-5-18\r\n"
        f"\tAccount Name:\t\t{machine.name.upper()}$\r\n\tAccount Domain:\t\t{machine.netbios}\r\n\r\n"
        f"Network Information:\r\n\tWorkstation Name:\t{other.name}\r\n\tSource Network Address:\t{other.ipv4}\r\n"
        f"\tSource Port:\t\t{49152 + scene.number % 9999}"
    )
    return {
        "@timestamp": scene.time.isoformat(),
        "host": {"name": machine.fqdn, "ip": [machine.ipv4, machine.ipv6], "mac": [machine.mac]},
        "winlog": {
            "channel": "Security",
            "computer_name": machine.fqdn,
            "event_data": {
                "WorkstationName": other.name,
                "IpAddress": f"::ffff:{other.ipv4}",
                "TargetUserName": other.user,
                "TargetDomainName": machine.netbios,
            },
        },
        "event": {"code": "4624", "sequence": scene.number},
        "message": message,
    }


def _sysmon(scene: _Scene) -> Any:
    """A network connection as Sysmon reports it through NXLog, names in every case."""
    machine, other = scene.machine, scene.other
    return {
        "EventID": 3,
        "Hostname": machine.fqdn,
        "ProcessGuid": "{" + SURVIVORS[2] + "}",
        "Image": f"C:\\Windows\\System32\\{SURVIVORS[3]}",
        "FileVersion": SURVIVORS[0],
        "User": f"{machine.netbios}\\{machine.user}",
        "SourceIp": machine.ipv4,
        "SourceHostname": machine.fqdn.upper(),
        "DestinationIp": other.ipv4,
        "DestinationHostname": other.fqdn,
        "CommandLine": f'net use Z: "\\\\{other.name}\\data$" /user:{machine.netbios}\\{machine.user}',
        "RecordNumber": scene.number,
    }


def _syslog(scene: _Scene) -> Any:
    """A line of an SSH server, RFC 3164 or RFC 5424."""
    machine, other = scene.machine, scene.other
    text = f"Accepted publickey for root from {other.ipv4} port {40000 + scene.number % 9999} ssh2"
    if scene.number % 2:
        return f"<38>{scene.time:%b %d %H:%M:%S} {machine.name} sshd[{scene.number}]: {text}"
    return f"<38>1 {scene.time.isoformat()} {machine.fqdn} sshd {scene.number} - - {text}"


def _network(scene: _Scene) -> Any:
    """A firewall's line, with a version and an OID that are no addresses."""
    machine, other = scene.machine, scene.other
    return (
        f'date={scene.time:%Y-%m-%d} time={scene.time:%H:%M:%S} devname="{machine.name}" osversion={SURVIVORS[0]} '
        f"oid={SURVIVORS[1]} logid={scene.number:010d} srcip={other.ipv4} srcmac={other.mac} dstip={machine.ipv6} "
        f'msg="session from {other.ipv4}:51515 to [{machine.ipv6}]:443 closed"'
    )


def _zabbix(scene: _Scene) -> Any:
    """A problem webhook; the host's name in a tag, in text and in a URL."""
    machine, other = scene.machine, scene.other
    return {
        "event_id": scene.number,
        "host": machine.name,
        "hosts": [{"host": machine.name, "interfaces": [{"ip": machine.ipv4, "dns": machine.fqdn}]}],
        "tags": [{"tag": "host", "value": machine.name}, {"tag": "class", "value": "os"}],
        "subject": f"Problem: {machine.name.upper()} cannot reach {other.fqdn}",
        "url": f"https://{machine.fqdn}:8443/tr_events.php?triggerid={scene.number}",
    }


def _alertmanager(scene: _Scene) -> Any:
    """A Prometheus alert: host and port as instance."""
    machine = scene.machine
    labels = {"alertname": "DiskFull", "instance": f"{machine.fqdn}:9100", "nodename": machine.name, "severity": "page"}
    return {
        "version": "4",
        "status": "firing",
        "commonLabels": labels,
        "alerts": [
            {
                "labels": labels,
                "annotations": {"summary": f"{machine.name} ({machine.ipv4}) is 9{scene.number % 10} % full"},
                "fingerprint": f"{scene.number:016x}",
            }
        ],
    }


def _tactical(scene: _Scene) -> Any:
    """A Tactical RMM agent's check-in; results are JSON in a string, machines are JSON keys."""
    machine, other = scene.machine, scene.other
    return {
        "agent_id": f"{scene.number:032x}",
        "hostname": machine.name,
        "local_ips": f"{machine.ipv4}, {machine.ipv6}",
        "public_ip": "198.51.100.23",
        "logged_in_username": machine.user,
        "checks": {f"\\\\{other.name}\\backup": "ok", machine.fqdn: "ok"},
        "stdout": orjson.dumps({"hostname": other.name, "peers": [other.ipv4, f"\\\\{other.name}\\c$"]}).decode(),
        "seq": scene.number,
    }


def _wazuh(scene: _Scene) -> Any:
    """A Wazuh alert."""
    machine, other = scene.machine, scene.other
    return {
        "agent": {"id": "017", "name": machine.name, "ip": machine.ipv4},
        "manager": {"name": other.fqdn},
        "data": {"srcip": other.ipv4, "srcuser": other.user},
        "full_log": f"Nov 23 09:00:00 {machine.name} su[{scene.number}]: FAILED su for root by {other.user}",
        "seq": scene.number,
    }


def _otlp(scene: _Scene) -> Any:
    """OTLP/JSON logs."""
    machine, other = scene.machine, scene.other
    return {
        "resourceLogs": [
            {
                "resource": {
                    "attributes": [
                        {"key": "host.name", "value": {"stringValue": machine.fqdn}},
                        {"key": "host.ip", "value": {"arrayValue": {"values": [{"stringValue": machine.ipv4}]}}},
                    ]
                },
                "scopeLogs": [
                    {
                        "logRecords": [
                            {
                                "timeUnixNano": str(scene.number * 10**9),
                                "body": {"stringValue": f"{machine.name}: mounted //{other.fqdn}/share"},
                                "attributes": [{"key": "client.address", "value": {"stringValue": other.ipv4}}],
                            }
                        ]
                    }
                ],
            }
        ]
    }


_JSON: tuple[tuple[str, Maker], ...] = (
    ("windows", _windows),
    ("sysmon", _sysmon),
    ("zabbix", _zabbix),
    ("alertmanager", _alertmanager),
    ("tactical-rmm", _tactical),
    ("wazuh", _wazuh),
    ("otlp", _otlp),
)
_TEXT: tuple[tuple[str, Maker], ...] = (("syslog", _syslog), ("network", _network))


def generate(estate: Sequence[Machine], count: int = 6_000, seed: int = 11) -> list[Event]:
    """`count` events of the estate, the same for the same seed; each mentions a second machine."""
    chance = random.Random(seed)  # noqa: S311 - reproducible, not secret
    by_tenant = {machine.tenant: [each for each in estate if each.tenant == machine.tenant] for machine in estate}
    events = []
    for number in range(count):
        machine = chance.choice(estate)
        other = chance.choice(by_tenant[machine.tenant])
        scene = _Scene(machine, other, _START + timedelta(seconds=number), number, chance)
        events.append(_event(scene, number))
    return events


def _event(scene: _Scene, number: int) -> Event:
    makers = _JSON + _TEXT
    kind, make = makers[number % len(makers)]
    body = make(scene)
    machine = scene.machine
    headers: list[tuple[str, bytes]] = [(SEQUENCE, str(number).encode())]
    if isinstance(body, str):
        headers += [("tenant", machine.tenant.encode()), ("content-type", b"text/plain")]
        return Event(machine.tenant, machine.name, kind, _key(machine), body.encode(), headers)
    headers += _placed(body, scene, number)
    return Event(machine.tenant, machine.name, kind, _key(machine), orjson.dumps(body), headers)


def _key(machine: Machine) -> bytes:
    """Each device keeps to one kind of key: its name, its DNS name, its address, or an id."""
    kinds = (machine.name, machine.fqdn, machine.ipv4, f"00000000-0000-4000-8000-{machine.mac.replace(':', '')}")
    return kinds[sum(machine.name.encode()) % len(kinds)].encode()


def _placed(body: Any, scene: _Scene, number: int) -> list[tuple[str, bytes]]:
    """The tenant where the contract allows it: header, CloudEvents in both modes, or a member."""
    tenant = scene.machine.tenant
    if number % 10 == 3:
        event = dict(body)
        body.clear()
        body.update(specversion="1.0", id=f"evt-{number}", type="rmm.check", source=f"/agents/{scene.machine.name}")
        body.update(tenantid=tenant, data=event)
        return [("content-type", b"application/cloudevents+json")]
    if number % 10 == 5:
        attributes = {"specversion": "1.0", "id": f"evt-{number}", "type": "rmm.check", "tenantid": tenant}
        attributes["source"] = f"/agents/{scene.machine.name}"
        return [
            ("content-type", b"application/json"),
            *((f"ce_{key}", value.encode()) for key, value in attributes.items()),
        ]
    if number % 10 == 7:
        body["tenant"] = tenant
        return []
    return [("tenant", tenant.encode()), ("x-agent-host", scene.machine.fqdn.encode())]


def from_files(paths: Iterable[Path], tenant: str) -> list[Event]:
    """The user's own events: a line is one, JSON or text; keyed by a host field where there is one.

    Raises:
        UserError: a file cannot be read.
    """
    events: list[Event] = []
    for path in paths:
        try:
            lines = path.read_bytes().splitlines()
        except OSError as problem:
            raise UserError(f"{path}: {problem.strerror}") from None
        events += [_own(line, tenant, number) for number, line in enumerate(lines, start=len(events)) if line.strip()]
    return events


def _own(line: bytes, tenant: str, number: int) -> Event:
    try:
        document = parse(line)
    except DocumentError:
        document = None
    names = ("Hostname", "host.name", "hostname", "host", "agent.name", "Computer", "winlog.computer_name")
    device = next((name for path in names if isinstance(name := look_up(document, path), str) and name), "")
    headers = [(SEQUENCE, str(number).encode()), ("tenant", tenant.encode())]
    return Event(tenant, device, "own", device.encode() or None, line, headers)
