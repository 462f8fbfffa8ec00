"""
What every client of Kafka shares: its settings, how long it is waited for, and which partition a key belongs to.

This is the one place where secrets are read. They go into the client's settings, and into no message.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from aiokafka.errors import KafkaConnectionError

from streams.config.kafka import KafkaConfig, parse_brokers
from streams.errors import StreamsError, UsageError

FIRST_BACKOFF, LAST_BACKOFF = 0.1, 2.0  # seconds
_STOP_SECONDS = 2.0
_PROTOCOLS = {"plaintext": "PLAINTEXT", "tls": "SSL", "sasl_plaintext": "SASL_PLAINTEXT", "sasl_tls": "SASL_SSL"}


class KafkaUnavailable(StreamsError):
    """No broker answered in time, or one stopped answering; the same may be tried again."""

    retriable = True


class Startable(Protocol):
    """A client of aiokafka, of any kind."""

    async def start(self) -> None:
        """Connect."""


def at_brokers(kafka: KafkaConfig, addresses: str | None) -> KafkaConfig:
    """Return the configuration with other brokers, `host:port[,host:port]`. Raises `UsageError` for what is none."""
    if addresses is None:
        return kafka
    try:
        return kafka.model_copy(update={"brokers": parse_brokers(addresses.split(","))})
    except ValueError as error:
        raise UsageError(f"--brokers: {error}") from error


def client_settings(kafka: KafkaConfig, environ: Mapping[str, str]) -> dict[str, Any]:
    """
    Return the keyword arguments that every client of aiokafka takes; `environ` is where secrets may be.

    Raises
    ------
    UsageError
        A variable is not set, a file cannot be read or is none that TLS takes. Names it, never what it holds.
    """
    settings: dict[str, Any] = {
        "bootstrap_servers": list(kafka.brokers),
        "security_protocol": _PROTOCOLS[kafka.security],
    }
    if kafka.security.endswith("tls"):
        settings["ssl_context"] = _tls(kafka)
    if kafka.security.startswith("sasl"):
        settings["sasl_mechanism"] = kafka.sasl_mechanism
        settings["sasl_plain_username"] = kafka.username
        settings["sasl_plain_password"] = _password(kafka, environ)
    return settings


def _password(kafka: KafkaConfig, environ: Mapping[str, str]) -> str:
    if kafka.password_env is not None:
        if not environ.get(kafka.password_env):
            raise UsageError(f"environment variable {kafka.password_env} is not set; put Kafka's password into it")
        return environ[kafka.password_env]
    name = str(kafka.password_file)
    try:
        password = Path(name).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise UsageError(f"password file {name} cannot be read: {error.strerror}; see kafka.password_file") from error
    except UnicodeDecodeError:  # not its cause: the error holds what the file holds
        raise UsageError(f"password file {name} is not UTF-8; write Kafka's password into it") from None
    if not password:
        raise UsageError(f"password file {name} is empty; write Kafka's password into it")
    return password


def _tls(kafka: KafkaConfig) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=kafka.ca_file)
    except OSError as error:  # an SSLError is one as well
        raise UsageError(f"kafka.ca_file {kafka.ca_file} cannot be used: {error.strerror or error}") from error
    if kafka.cert_file is not None:
        try:
            # An empty password, or OpenSSL would ask the terminal for that of an encrypted key.
            context.load_cert_chain(kafka.cert_file, kafka.key_file, password="")
        except OSError as error:
            files = f"kafka.cert_file {kafka.cert_file}" + (
                f" with key_file {kafka.key_file}" if kafka.key_file else ""
            )
            raise UsageError(f"{files} cannot be used: {error.strerror or error}") from error
    return context


@asynccontextmanager
async def connected(
    client: Startable, stop: Callable[[], Awaitable[None]], brokers: tuple[str, ...], patience: float
) -> AsyncIterator[None]:
    """
    Start a client, trying again with growing pauses for at most `patience` seconds; stop it with `stop` at the end.

    Raises
    ------
    KafkaUnavailable
        No broker answered in time.
    """
    try:
        try:
            async with asyncio.timeout(patience):
                await _start(client)
        except TimeoutError:
            raise KafkaUnavailable(
                f"no broker answered at {', '.join(brokers)} within {patience:g} s; "
                "is Kafka running there, and does kafka.security fit it?"
            ) from None
        yield
    finally:
        with suppress(TimeoutError):  # a producer waits for its last records, even where they were given up
            async with asyncio.timeout(_STOP_SECONDS):
                await stop()


async def _start(client: Startable) -> None:
    pause = FIRST_BACKOFF
    while True:
        try:
            await client.start()
        except KafkaConnectionError:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_BACKOFF)
        else:
            return


def partitions_of(keys: pa.BinaryArray, count: int) -> npt.NDArray[np.int64]:
    """
    Partition of each key, as Kafka's default partitioner has it: murmur2, for all keys of a length at once.

    The source of the hash is `org.apache.kafka.common.utils.Utils.murmur2`; aiokafka has the same in pure Python,
    which would take longer than everything else about a record.

    Parameters
    ----------
    keys : pa.BinaryArray
        Keys, shape (n,), none null.
    count : int
        Partitions of the topic.
    """
    _, offsets_buffer, data_buffer = keys.buffers()
    offsets = np.frombuffer(offsets_buffer, np.int32)[keys.offset :][: len(keys) + 1].astype(np.int64)
    data = np.frombuffer(data_buffer or b"", np.uint8)
    starts, lengths = offsets[:-1], np.diff(offsets)
    hashes = np.empty(len(keys), np.uint32)
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        hashes[rows] = _murmur2(data[starts[rows][:, None] + np.arange(length)])
    return (hashes & np.uint32(0x7FFFFFFF)).astype(np.int64) % count


def shard_of(model: str, partitions: int) -> int:
    """Partition of the summaries in which a model's sums meet: that of its name as a key."""
    return int(partitions_of(pa.array([model.encode()], pa.binary()), partitions)[0])


def _murmur2(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """Hash rows of bytes, shape (n, length), to shape (n,); products wrap around at 32 bits, as they should."""
    length = data.shape[1]
    mix, whole = np.uint32(0x5BD1E995), length - length % 4
    hashes = np.full(len(data), 0x9747B28C ^ length, np.uint32)
    words = np.ascontiguousarray(data[:, :whole]).view("<u4") if whole else np.empty((len(data), 0), np.uint32)
    for word in words.T:
        scrambled = word.astype(np.uint32) * mix
        scrambled = (scrambled ^ (scrambled >> np.uint32(24))) * mix
        hashes = (hashes * mix) ^ scrambled
    if length % 4:
        for place, column in enumerate(data[:, whole:].T):
            hashes ^= column.astype(np.uint32) << np.uint32(8 * place)
        hashes *= mix
    hashes = (hashes ^ (hashes >> np.uint32(13))) * mix
    return hashes ^ (hashes >> np.uint32(15))
