"""The embedded Kafka: one node of Apache Kafka in KRaft mode, for development, demo and tests.

Jars come from Maven Central by the pom in deploy/kafka; data and logs stay in a folder of the caller's.
`RMM_SCRUB_KAFKA=host:port` names a running Kafka instead: nothing is started or stopped then.
"""

import hashlib
import logging
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Self

import msgspec
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from schemas.errors import UNDECODABLE, UserError
from streams.system import end_with_parent, need_programs

USER_KAFKA = "RMM_SCRUB_KAFKA"
# Below those that Linux gives to outgoing connections: such a one could take a port before its server does.
_SERVED = range(20_000, 32_000)
READY_SECONDS = 90.0  # a cold start on two busy cores took 12 s
STOP_SECONDS = 30.0
_STATE = "broker.json"
_HEAP = "-Xmx768m"  # the whole test run fits in half of it
_LOGGING = """<Configuration status="ERROR"><Appenders><File name="f" fileName="{log}"><PatternLayout
pattern="%d %p %c{{1}} %m%n%ex{{short}}"/></File></Appenders><Loggers><Root level="WARN"><AppenderRef ref="f"/></Root>
</Loggers></Configuration>"""
_PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={data}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=true
super.users=User:ANONYMOUS
auto.create.topics.enable=false
message.max.bytes=10485760
offsets.topic.replication.factor=1
offsets.topic.num.partitions=5
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=5
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.cleaner.backoff.ms=500
log.retention.check.interval.ms=1000
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""


class Broker(msgspec.Struct):
    """A running Kafka: its address, and where its data is (None for one that the user named)."""

    bootstrap: str
    folder: Path | None = None
    pid: int = 0
    born: str = ""  # start time of the process: a pid alone may be another's by now

    def stop(self) -> None:
        """Stop it and wait until it has gone; a Kafka of the user's is left alone."""
        if self.folder is None:
            return
        if self.alive:
            os.kill(self.pid, signal.SIGTERM)
            if not _gone(self, STOP_SECONDS):
                os.kill(self.pid, signal.SIGKILL)
                _gone(self, STOP_SECONDS)
        (self.folder / _STATE).unlink(missing_ok=True)

    def kill(self) -> None:
        """Kill it as a power cut would; `start` in the same folder brings it back with its data."""
        if self.folder is not None and self.alive:
            os.kill(self.pid, signal.SIGKILL)
            _gone(self, STOP_SECONDS)

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return bool(self.pid) and _birth(self.pid) == self.born

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def start(folder: Path, *, outlive: bool = False) -> Broker:
    """Start Kafka with its data in `folder`, or find the one that runs there; ready when this returns.

    It ends with this process, even if that is killed, unless it shall `outlive` it. A folder that was used
    before keeps its data and its port.

    Raises:
        UserError: Java or Maven is missing, or Kafka did not come up, with the reason from its log.
    """
    if (named := os.environ.get(USER_KAFKA)) is not None:
        _wait_until_ready(Broker(named), None, 10.0)
        return Broker(named)
    if (found := running(folder)) is not None:
        return found
    need_programs({"java": "openjdk-17-jre-headless", "mvn": "maven"})
    classpath = f"{_jars()}/*"
    folder.mkdir(parents=True, exist_ok=True)
    port = _configure(folder, classpath)
    command = ["java", _HEAP, f"-Dlog4j2.configurationFile={folder / 'log4j2.xml'}", "-cp", classpath]
    with (folder / "console.log").open("ab") as console:
        process = subprocess.Popen(
            [*command, "kafka.Kafka", str(folder / "server.properties")],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=console,
            start_new_session=True,
            preexec_fn=None if outlive else end_with_parent,  # noqa: PLW1509 - one call into the kernel
        )
    broker = Broker(f"127.0.0.1:{port}", folder, process.pid, _birth(process.pid))
    try:
        _wait_until_ready(broker, process, READY_SECONDS)
    except BaseException:
        process.kill()
        process.wait()
        raise
    (folder / _STATE).write_bytes(msgspec.json.encode(broker, enc_hook=str))
    return broker


def running(folder: Path) -> Broker | None:
    """The Kafka that runs with its data in `folder`, or None."""
    try:
        broker = msgspec.json.decode(
            (folder / _STATE).read_bytes(), type=Broker, dec_hook=lambda kind, value: kind(value)
        )
    except (OSError, *UNDECODABLE):
        return None
    return broker if broker.alive else None


def _configure(folder: Path, classpath: str) -> int:
    """Write Kafka's settings and format its storage, once a folder; the port."""
    properties = folder / "server.properties"
    if properties.exists():
        listeners = next(line for line in properties.read_text().splitlines() if line.startswith("advertised"))
        return int(listeners.rpartition(":")[2])
    port, controller = free_ports(2)
    properties.write_text(_PROPERTIES.format(port=port, controller=controller, data=folder / "data"))
    (folder / "log4j2.xml").write_text(_LOGGING.format(log=folder / "kafka.log"))
    tool = ["java", f"-Dlog4j2.configurationFile={folder / 'log4j2.xml'}", "-cp", classpath, "kafka.tools.StorageTool"]
    done = subprocess.run(
        [*tool, "format", "-t", _cluster_id(), "-c", str(properties)], capture_output=True, check=False
    )
    if done.returncode:
        properties.unlink()
        raise UserError("Kafka's storage could not be formatted", f"see {folder / 'kafka.log'}")
    return port


def _cluster_id() -> str:
    """A random id in Kafka's form; never with a dash in front, which its tool would take for an option."""
    while (found := urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode()).startswith("-"):
        pass
    return found


def free_run(count: int) -> int:
    """The first of so many free ports in a row: worker n of a supervisor takes the n-th."""
    for _ in range(1_000):
        first = random.choice(_SERVED)  # noqa: S311 - no secret
        if all(map(_is_free, range(first, first + count))):
            return first
    raise UserError(f"there are no {count} free ports in a row")


def free_ports(count: int) -> list[int]:
    """So many free ports, each another."""
    found: list[int] = []
    while len(found) < count:
        port = free_run(1)
        if port not in found:
            found.append(port)
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as tried:
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _wait_until_ready(broker: Broker, process: subprocess.Popen[bytes] | None, seconds: float) -> None:
    """Ask the broker itself until it answers."""
    deadline = time.monotonic() + seconds
    logging.getLogger("kafka").setLevel(logging.CRITICAL)  # its client complains at every attempt
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            raise UserError(f"Kafka ended with code {process.returncode}", _last_error(broker))
        if not _listens(broker.bootstrap):  # kafka-python backs off for long when it finds the port closed
            time.sleep(0.1)
            continue
        try:
            client = KafkaAdminClient(bootstrap_servers=broker.bootstrap, request_timeout_ms=5_000)
            try:
                if client.describe_cluster()["brokers"]:
                    return
            finally:
                client.close()
        except (KafkaError, OSError):
            time.sleep(0.2)
    raise UserError(f"Kafka at {broker.bootstrap} did not answer in {seconds:.0f} s", _last_error(broker))


def _listens(bootstrap: str) -> bool:
    host, _, port = bootstrap.split(",", maxsplit=1)[0].rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=2.0).close()
    except (OSError, ValueError):
        return False
    return True


def _last_error(broker: Broker) -> str:
    if broker.folder is None:
        return f"{USER_KAFKA} names it"
    log = broker.folder / "kafka.log"
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    errors = [line for line in lines if " ERROR " in line or " FATAL " in line]
    return errors[-1] if errors else f"see {log} and {broker.folder / 'console.log'}"


def _jars() -> Path:
    """The folder of jars for our pom, brought by Maven once a machine and pom."""
    pom = _pom()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rmm-scrub"
    target = cache / f"kafka-{hashlib.sha256(pom.read_bytes()).hexdigest()[:16]}"
    if target.is_dir():
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as temporary:
        jars = Path(temporary) / "jars"
        command = ["mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={jars}"]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            raise UserError("Maven could not bring Kafka's jars", f"try it by hand: {' '.join(command[:-1])}")
        try:
            jars.rename(target)
        except OSError:  # another process was faster
            shutil.rmtree(jars, ignore_errors=True)
    return target


def _pom() -> Path:
    here = Path(__file__).resolve().parent
    packaged = here / "kafka-pom.xml"
    return packaged if packaged.exists() else here.parent / "deploy" / "kafka" / "pom.xml"


def _birth(pid: int) -> str:
    """The start time of a process (proc(5), field 22), or nothing when there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]


def _gone(broker: Broker, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if _reaped(broker.pid) and not broker.alive:
            return True
        time.sleep(0.05)
    return not broker.alive


def _reaped(pid: int) -> bool:
    """Whether nothing of the process is left to wait for, if it is a child of ours."""
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
