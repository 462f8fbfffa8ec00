"""The `kafka` section: where the brokers are, how to speak to them, and how the topics are laid out."""

from __future__ import annotations

import re
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator

from streams.config.problems import parse_list, shown, unknown

Security = Literal["plaintext", "tls", "sasl_plaintext", "sasl_tls"]
Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]

SECRETS_HINT = (
    "passwords do not belong in the configuration: name the environment variable that holds it with `password_env`, "
    "or the file with `password_file`"
)
_BROKER = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}"
_PREFIX = r"[A-Za-z0-9._-]{1,200}"  # what Kafka allows in the name of a topic, with room for the rest of it
_LAST_PORT = 65_535


def parse_brokers(value: object) -> tuple[str, ...]:
    """
    Check a list of addresses, each `host:port`.

    Raises
    ------
    ValueError
        Naming every item that is no address, or is there twice; or if there is none.
    """
    brokers = parse_list(value, _broker, str.lower)
    if not brokers:
        raise ValueError("[] is empty: list at least one broker, or leave the key out for the default")
    return brokers


def _broker(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(_BROKER, value):
        raise ValueError(f'{shown(value)} is no address: write host:port, such as "localhost:9092"')
    port = int(value.rpartition(":")[2])
    if not 1 <= port <= _LAST_PORT:
        raise ValueError(f"{shown(value)} has no port of 1 to {_LAST_PORT}")
    return value


def _security(value: object) -> object:
    if value not in get_args(Security):
        raise ValueError(f"{shown(value)} is no kind of security{unknown(str(value), get_args(Security))}")
    return value


def _mechanism(value: object) -> object:
    if value is not None and value not in get_args(Mechanism):
        raise ValueError(f"{shown(value)} is no SASL mechanism{unknown(str(value), get_args(Mechanism))}")
    return value


def _text(value: object) -> object:
    if value is not None and (not isinstance(value, str) or not value.strip()):
        raise ValueError(f"{shown(value)} must be text that is not empty")
    return value


def _prefix(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(_PREFIX, value):
        raise ValueError(
            f"{shown(value)} cannot begin the name of a topic: up to 200 of A-Z, a-z, 0-9, . _ - are allowed"
        )
    return value


_Address = Annotated[str, Field(pattern=f"^{_BROKER}$")]
Brokers = Annotated[
    tuple[str, ...],
    BeforeValidator(parse_brokers, json_schema_input_type=Annotated[list[_Address], Field(min_length=1)]),
]
_Prefix = Annotated[str, Field(pattern=f"^{_PREFIX}$")]
_FilledText = Annotated[str, Field(pattern=r"\S")]
Text = Annotated[str | None, BeforeValidator(_text, json_schema_input_type=_FilledText | None)]


class KafkaConfig(BaseModel):
    """
    How to reach Kafka. Holds no secrets, only where they are; `streams.runtime.kafka` reads them.

    Paths are taken from the directory in which the command runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    brokers: Brokers = Field(default=("localhost:9092",), description="Brokers to ask first, each host:port")
    security: Annotated[Security, BeforeValidator(_security)] = Field(
        default="plaintext", description="Whether connections are encrypted (tls), and a name is asked for (sasl)"
    )
    ca_file: Text = Field(default=None, description="TLS: certificates (PEM) to trust, instead of the system's")
    cert_file: Text = Field(default=None, description="TLS: the client's certificate (PEM)")
    key_file: Text = Field(default=None, description="TLS: the key of `cert_file` (PEM), where that does not hold it")
    sasl_mechanism: Annotated[Mechanism | None, BeforeValidator(_mechanism)] = Field(
        default=None, validate_default=True, description="SASL: how the password is proved"
    )
    username: Text = Field(default=None, validate_default=True, description="SASL: the name")
    password_env: Text = Field(default=None, description="SASL: the environment variable that holds the password")
    password_file: Text = Field(
        default=None, validate_default=True, description="SASL: the file that holds the password"
    )
    partitions: int = Field(
        default=4, strict=True, ge=1, le=1_000, description="Partitions of the topics that are joined, the same for all"
    )
    replication: int = Field(default=1, strict=True, ge=1, le=9, description="Copies of each partition")
    prefix: Annotated[str, BeforeValidator(_prefix, json_schema_input_type=_Prefix)] = Field(
        default="telemetry", description="What the names of all topics begin with"
    )

    @field_validator("ca_file", "cert_file", "key_file")
    @classmethod
    def _only_with_tls(cls, value: str | None, info: ValidationInfo) -> str | None:
        security = info.data.get("security", "tls")
        if value is not None and not security.endswith("tls"):
            raise ValueError(f"{shown(value)} is only for tls and sasl_tls, `security` is {security}: remove the key")
        return value

    @field_validator("key_file")
    @classmethod
    def _key_of_a_certificate(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("cert_file", "") is None:
            raise ValueError(f"{shown(value)} is the key of no certificate: give `cert_file` too")
        return value

    @field_validator("sasl_mechanism", "username", "password_env", "password_file")
    @classmethod
    def _only_with_sasl(cls, value: str | None, info: ValidationInfo) -> str | None:
        security = info.data.get("security", "sasl_tls")
        if value is not None and not security.startswith("sasl"):
            kinds = "sasl_plaintext and sasl_tls"
            raise ValueError(f"{shown(value)} is only for {kinds}, `security` is {security}: remove the key")
        return value

    @field_validator("sasl_mechanism", "username")
    @classmethod
    def _needed_for_sasl(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and _is_sasl(info):
            what = ", ".join(get_args(Mechanism)) if info.field_name == "sasl_mechanism" else "the name to log in with"
            raise ValueError(f"is required for {info.data['security']}: {what}")
        return value

    @field_validator("password_file")
    @classmethod
    def _one_password(cls, value: str | None, info: ValidationInfo) -> str | None:
        if not _is_sasl(info) or "password_env" not in info.data:
            return value
        in_environment = info.data["password_env"]
        if value is None and in_environment is None:
            raise ValueError(f"or `password_env` is required for {info.data['security']}: where the password is")
        if value is not None and in_environment is not None:
            raise ValueError(f"{shown(value)} is a second password beside `password_env`: keep one of the two")
        return value


def _is_sasl(info: ValidationInfo) -> bool:
    return str(info.data.get("security", "")).startswith("sasl")
