"""
A real Apache Kafka on this machine, for tests and demos: one broker, bound to 127.0.0.1, from Maven's jars.

`python deploy/kafka/kafka.py run` starts it in the foreground; `Broker` starts it from Python. Needs a JDK of 17 or
newer, and Maven the first time. Not for production: one replica, no encryption, no access control.
"""
# ruff: noqa: INP001, T201

from __future__ import annotations

import argparse
import base64
import contextlib
import fcntl
import os
import re
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".streams" / "kafka"
POM = HERE / "pom.xml"
HOST = "127.0.0.1"
OLDEST_JAVA = 17
JVM = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
FREE_PORTS = range(20_000, 30_000)
"""Below the ports of outgoing connections, one of which could take the broker's port while the broker is down."""


class BrokerError(RuntimeError):
    """Kafka cannot be fetched, formatted or started; the message says why and ends with what the tool wrote."""


def java() -> str | None:
    """Path of the `java` to use, that of JAVA_HOME where it is set; None if there is none."""
    home = os.environ.get("JAVA_HOME")
    return shutil.which(str(Path(home) / "bin" / "java") if home else "java")


def maven() -> str | None:
    """Path of `mvn`; None if there is none."""
    return shutil.which("mvn")


def available() -> str | None:
    """Return why Kafka cannot run on this machine; None if it can."""
    if (program := java()) is None:
        return f"Kafka needs a JDK of {OLDEST_JAVA} or newer; no java is in JAVA_HOME or PATH"
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    if found is None:
        return f"Kafka needs a JDK of {OLDEST_JAVA} or newer; {program} does not tell its version: {said.strip()!r}"
    if int(found[1]) < OLDEST_JAVA:
        return f"Kafka needs a JDK of {OLDEST_JAVA} or newer; {program} is Java {found[1]}"
    if maven() is None and not _is_fetched():
        return "Kafka's jars are fetched with Maven; no mvn is in PATH"
    return None


def version() -> str:
    """Version of Kafka that pom.xml asks for, such as "4.3.1"."""
    (found,) = re.findall(r"<kafka\.version>(.+)</kafka\.version>", POM.read_text(encoding="utf-8"))
    return str(found)


def jars() -> Path:
    """Directory of the jars of this version."""
    return CACHE / version()


def _is_fetched() -> bool:
    """Whether the jars are those of pom.xml: its copy is put beside them last."""
    copied = jars() / POM.name
    return copied.exists() and copied.read_bytes() == POM.read_bytes()


def fetch() -> Path:
    """
    Copy the jars with Maven unless they are there; one process does, others wait for it.

    Returns
    -------
    Path
        The directory of the jars.

    Raises
    ------
    BrokerError
        Maven is missing or failed.
    """
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_fetched():
            _copy_jars(jars())
    return jars()


def _copy_jars(target: Path) -> None:
    program = maven()
    if program is None:
        raise BrokerError("Kafka's jars are fetched with Maven, and no mvn is in PATH; install Maven")
    print(f"fetching Apache Kafka {version()} with Maven (45 MB, once) ...", file=sys.stderr, flush=True)
    shutil.rmtree(target, ignore_errors=True)
    options = ["--batch-mode", "--quiet", "--strict-checksums", "-Dstyle.color=never", f"-DoutputDirectory={target}"]
    done = subprocess.run(  # noqa: S603
        [program, *options, "--file", POM, "dependency:copy-dependencies"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BrokerError(f"Maven could not fetch Apache Kafka {version()}:\n{(done.stdout + done.stderr).strip()}")
    shutil.copyfile(POM, target / POM.name)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            probe.bind((HOST, port))
            return True
    return False


def free_port(*taken: int) -> int:
    """Return a port that nothing listens on, and that is none of those `taken` soon."""
    while (port := secrets.choice(FREE_PORTS)) in taken or not _is_free(port):
        pass
    return port


class Broker:
    """
    One Kafka broker: a process, its ports and its data.

    Parameters
    ----------
    data : Path
        Directory of its settings, log file and records; kept when the broker stops, formatted when it is new.
    port : int, optional
        Port of 127.0.0.1 for clients; a free one if not given, the same for the life of this object.
    partitions : int
        Partitions of a topic that is created without naming a number.
    """

    def __init__(self, data: Path, port: int | None = None, partitions: int = 1) -> None:
        self.data = data.resolve()
        self.port = port or free_port()
        self.partitions = partitions
        self._controller_port = free_port(self.port)
        self._said_from = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """Address for clients, such as "127.0.0.1:9092"."""
        return f"{HOST}:{self.port}"

    @property
    def log_file(self) -> Path:
        """Where everything that the broker says is appended."""
        return self.data / "kafka.log"

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    def start(self, timeout: float = 60.0) -> None:
        """
        Start the broker and return once it answers clients; a broker that does not is ended.

        Raises
        ------
        BrokerError
            It runs already, its port is taken, or it ended or did not answer within `timeout` seconds.
        """
        if self.running:
            raise BrokerError(f"the broker at {self.bootstrap} runs already; stop it first")
        fetch()
        if not _is_free(self.port):
            raise BrokerError(f"port {self.port} of {HOST} is taken; stop what listens there or choose another port")
        until = time.monotonic() + timeout
        self._write_settings()
        if not self._meta.exists():
            cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
            with self._java("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "--config") as process:
                code = process.wait()
            if code != 0:
                raise self._failed(f"Kafka could not format {self.data} (exit code {code})")
        with contextlib.ExitStack() as on_failure:
            self._process = self._java("kafka.Kafka")
            on_failure.callback(self.kill)
            self._wait_until_it_answers(self._process, until)
            on_failure.pop_all()

    def stop(self, timeout: float = 30.0) -> None:
        """Ask the broker to end and wait until it has; one that has not after `timeout` seconds is killed."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout)
        self.kill()

    def kill(self) -> None:
        """End the broker at once, as a crash does: SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """Start again on the same ports and data, after a stop if it runs."""
        self.stop()
        self.start()

    def wait(self) -> int:
        """Wait until the process ends by itself; return its exit code."""
        if self._process is None:
            raise BrokerError(f"the broker at {self.bootstrap} was not started; start it first")
        return self._process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    @property
    def _settings(self) -> Path:
        return self.data / "server.properties"

    @property
    def _meta(self) -> Path:
        return self.data / "records" / "meta.properties"

    def _write_settings(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        ours = {
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{HOST}:{self._controller_port}",
            "controller.quorum.voters": f"1@{HOST}:{self._controller_port}",
            "log.dirs": self._meta.parent,
            "num.partitions": self.partitions,
        }
        settings = (HERE / self._settings.name).read_text(encoding="utf-8")
        settings += "\n" + "".join(f"{name}={value}\n" for name, value in ours.items())
        self._settings.write_text(settings, encoding="utf-8")

    def _java(self, main: str, *arguments: str) -> subprocess.Popen[bytes]:
        """
        Run a main class of Kafka with the settings as its last argument; what it says goes to the log file.

        The process inherits a lock on that file and holds it as long as it lives. Kafka's own lock comes too late: by
        then a second broker on the same data has spoilt the log of the first one's controller.
        """
        program = java()
        if program is None:
            raise BrokerError(str(available()))
        logging = f"-Dlog4j2.configurationFile={HERE / 'log4j2.properties'}"
        # What a killed JVM leaves behind in the directory for temporary files goes away with the data.
        settings = [*JVM, logging, f"-Djava.io.tmpdir={self.data}"]
        command = [program, *settings, "-cp", f"{jars()}/*", main, *arguments, str(self._settings)]
        with self.log_file.open("ab") as log:
            try:
                fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BrokerError(f"{self.data} is in use by another broker; stop that or choose another") from error
            self._said_from = log.tell()
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: S603

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes], until: float) -> None:
        (cluster,) = re.findall(r"cluster\.id=(.+)", self._meta.read_text(encoding="utf-8"))
        while process.poll() is None:
            with contextlib.suppress(OSError):
                if _ask_metadata(self.port) == (cluster, [(HOST, self.port)]):
                    return
            if time.monotonic() > until:
                raise self._failed(f"Kafka at {self.bootstrap} did not answer in time")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        raise self._failed(f"Kafka at {self.bootstrap} ended while it started (exit code {process.returncode})")

    def _failed(self, what: str) -> BrokerError:
        said = self.log_file.read_bytes()[self._said_from :].decode(errors="replace").splitlines()
        wrong = [line for line in said if re.search(r"\b(ERROR|FATAL)\b|Exception: |Error: ", line)]
        return BrokerError("\n  ".join([f"{what}; {self.log_file} says:", *(wrong or said)[-10:]]))


def _ask_metadata(port: int) -> tuple[str, list[tuple[str, int]]]:
    """Ask for the cluster's id and its live brokers, with a Metadata request of version 5 that names no topic."""
    request = struct.pack(">hhihi?", 3, 5, 1, -1, 0, False)
    with socket.create_connection((HOST, port), timeout=5) as connection, connection.makefile("rb") as answer:
        connection.sendall(struct.pack(">i", len(request)) + request)
        _read(answer, 12)  # size, correlation id, throttle time
        brokers = []
        for _ in range(_number(answer, 4)):
            _read(answer, 4)  # node id
            brokers.append((_text(answer), _number(answer, 4)))
            _text(answer)  # rack
        return _text(answer), brokers


def _read(stream: BinaryIO, size: int) -> bytes:
    found = stream.read(size)
    if len(found) < size:
        raise ConnectionError(f"the answer ended {size - len(found)} bytes early")
    return found


def _number(stream: BinaryIO, size: int) -> int:
    return int.from_bytes(_read(stream, size), signed=True)


def _text(stream: BinaryIO) -> str:
    """Read a nullable string; null as an empty one."""
    return _read(stream, max(_number(stream, 2), 0)).decode()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kafka.py", description="A real Apache Kafka on this machine.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="start one broker in the foreground; Ctrl-C stops it")
    run.add_argument("--port", type=int, default=9092, help="port of 127.0.0.1; 0 takes a free one (default: 9092)")
    run.add_argument("--data", type=Path, default=CACHE / "data", help="kept directory (default: .streams/kafka/data)")
    run.add_argument("--partitions", type=int, default=4, help="partitions of a new topic (default: 4)")
    return parser


def _end(number: int, _frame: object) -> None:
    raise SystemExit(128 + number)


def main() -> int:
    """Run the command; return its exit code."""
    arguments = _parser().parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    if (reason := available()) is not None:
        print(f"error: {reason}", file=sys.stderr)
        return 1
    broker = Broker(arguments.data, arguments.port, arguments.partitions)
    try:
        with broker:
            print(f"Apache Kafka {version()} answers at {broker.bootstrap} (log: {broker.log_file})", flush=True)
            code = broker.wait()
    except BrokerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    print(f"error: Kafka ended by itself (exit code {code}); see {broker.log_file}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
