"""The `kafka` section: its defaults, its problems all at once, and secrets that come from outside of it."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import pytest
from pydantic import ValidationError

from streams.config import KafkaConfig, json_schema, parse_config
from streams.errors import ConfigError, UsageError
from streams.runtime.kafka import at_brokers, client_settings

DOCS = Path(__file__).parents[1] / "docs" / "configuration.md"
MODELS = "\nmodels: {m: {task: none}}\n"
SASL_KEYS = "security: sasl_plaintext, sasl_mechanism: PLAIN, username: u"
SECRET = "hunter2"  # noqa: S105 - what must not be shown


def kafka(section: str) -> KafkaConfig:
    """Read a section, written in one line."""
    return parse_config(f"kafka: {{{section}}}{MODELS}", "test").kafka


def problems(section: str) -> list[str]:
    """Return what is wrong with a section, without the lines."""
    with pytest.raises(ConfigError) as caught:
        kafka(section)
    return [re.sub(r" \(line \d+\)", "", problem) for problem in caught.value.problems]


def test_the_section_may_be_left_out() -> None:
    """Without it there is a broker on this machine, no security, and four partitions."""
    found = parse_config(MODELS, "test").kafka

    assert found == KafkaConfig()
    assert (found.brokers, found.security, found.prefix) == (("localhost:9092",), "plaintext", "telemetry")
    assert (found.partitions, found.replication) == (4, 1)


def test_a_section_does_not_change() -> None:
    """Objects are frozen."""
    with pytest.raises(ValidationError, match="frozen"):
        KafkaConfig().prefix = "other"


def test_every_key_is_documented_with_its_default() -> None:
    """The table names every key in order, with the defaults of the code."""
    rows = re.findall(r"^\| `kafka\.(\w+)` \|[^|]*\| ([^|]*) \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    properties = json_schema()["$defs"]["KafkaConfig"]["properties"]
    defaults = [(key, str(value["default"]).replace("'", "")) for key, value in properties.items()]

    assert [(key, "None" if shown == "none" else shown.strip("`")) for key, shown in rows] == defaults


def test_all_problems_come_at_once() -> None:
    """Values, keys that do not belong together, and what is missing are one list."""
    found = problems(
        "brokers: [nowhere], security: sasl_plaintext, ca_file: ca.pem, partitions: 0, prefix: a b, tls: 1"
    )

    assert {problem.split(" ")[0].rstrip(":") for problem in found} == {
        "kafka.brokers[0]",
        "kafka.ca_file",
        "kafka.sasl_mechanism",
        "kafka.username",
        "kafka.password_file",
        "kafka.partitions",
        "kafka.prefix",
        "kafka.tls",
    }


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ("brokers: []", "kafka.brokers: [] is empty: list at least one"),
        ("brokers: localhost:9092", 'kafka.brokers: "localhost:9092" must be a list'),
        ("brokers: ['h:0']", 'kafka.brokers[0]: "h:0" has no port of 1 to 65535'),
        ("brokers: ['h:1', 'H:1']", 'kafka.brokers[1]: "H:1" says the same as item [0]'),
        ("security: ssl", 'kafka.security: "ssl" is no kind of security'),
        ("ca_file: ca.pem", 'kafka.ca_file: "ca.pem" is only for tls and sasl_tls, `security` is plaintext'),
        ("security: tls, key_file: k", 'kafka.key_file: "k" is the key of no certificate: give `cert_file` too'),
        ("username: u", 'kafka.username: "u" is only for sasl_plaintext and sasl_tls'),
        ("sasl_mechanism: scram", 'kafka.sasl_mechanism: "scram" is no SASL mechanism. Allowed: PLAIN, SCRAM'),
        ("replication: 10", "kafka.replication: 10 is too large: at most 9"),
        ("partitions: 1.5", "kafka.partitions: 1.5 must be a whole number"),
        ("broker: x", "kafka.broker: unknown key `broker`; did you mean `brokers`?"),
        ("positive: x", "kafka.positive: the key `positive` does not belong here, but inside a model"),
    ],
)
def test_a_problem_says_what_to_do(section: str, expected: str) -> None:
    """A single bad value is the only problem, with its place and what is allowed."""
    (problem,) = problems(section)

    assert problem.startswith(expected)


def test_a_key_of_the_section_at_the_top_is_sent_there() -> None:
    """A key that was written beside `kafka` belongs under it."""
    with pytest.raises(ConfigError, match="`brokers` does not belong here, but under `kafka`"):
        parse_config(f"brokers: [a]{MODELS}", "test")


def test_a_password_in_the_file_is_refused_and_not_shown() -> None:
    """The problem says where a password belongs, without repeating it."""
    (problem,) = problems(f"{SASL_KEYS}, password_env: P, password: {SECRET}")

    assert problem.startswith("kafka.password: passwords do not belong in the configuration")
    assert "`password_env`" in problem
    assert SECRET not in problem


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("", "kafka.password_file: or `password_env` is required"),
        (", password_env: P, password_file: p", 'kafka.password_file: "p" is a second password beside `password_env`'),
    ],
)
def test_there_is_one_password(keys: str, expected: str) -> None:
    """With sasl exactly one place for the password is needed."""
    (problem,) = problems(f"{SASL_KEYS}{keys}")

    assert problem.startswith(expected)


def test_settings_without_security() -> None:
    """A client gets the brokers, and nothing about TLS or SASL."""
    settings = client_settings(KafkaConfig(brokers=("a:1", "b:2")), {})

    assert settings == {"bootstrap_servers": ["a:1", "b:2"], "security_protocol": "PLAINTEXT"}


def test_a_password_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    """Both give it; the end of the file's line is no part of it."""
    file = tmp_path / "password"
    file.write_text(f"{SECRET}\n")
    by_name = client_settings(kafka(f"{SASL_KEYS}, password_env: P"), {"P": SECRET})
    by_file = client_settings(kafka(f"{SASL_KEYS}, password_file: {file}"), {})

    assert by_name == by_file
    assert by_name["sasl_plain_password"] == SECRET
    assert (by_name["security_protocol"], by_name["sasl_mechanism"]) == ("SASL_PLAINTEXT", "PLAIN")


@pytest.mark.parametrize("content", [None, b"", b"\n", SECRET.encode() + b"\xff"])
def test_a_password_file_that_holds_none_is_named(tmp_path: Path, content: bytes | None) -> None:
    """One that is missing, empty or no text is a usage error with its name and not its content."""
    file = tmp_path / "password"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=re.escape(str(file))) as caught:
        client_settings(kafka(f"{SASL_KEYS}, password_file: {file}"), {})

    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("environ", [{}, {"KAFKA_PASSWORD": ""}, {"OTHER": SECRET}])
def test_a_variable_that_is_not_set_is_named(environ: dict[str, str]) -> None:
    """The configuration is valid; the client cannot be made, and the error names the variable."""
    with pytest.raises(UsageError, match="environment variable KAFKA_PASSWORD is not set") as caught:
        client_settings(kafka(f"{SASL_KEYS}, password_env: KAFKA_PASSWORD"), environ)

    assert SECRET not in str(caught.value)


def test_tls_checks_the_brokers_name() -> None:
    """The context verifies certificates and names, with the system's authorities."""
    context = client_settings(KafkaConfig(security="tls"), {})["ssl_context"]

    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize("key", ["ca_file", "cert_file"])
def test_a_certificate_that_is_none_is_named(tmp_path: Path, key: str) -> None:
    """A file that is missing, or no certificate, is a usage error that names key and file."""
    (tmp_path / "text").write_text("no certificate")
    for file in (tmp_path / "absent", tmp_path / "text"):
        config = KafkaConfig.model_validate({"security": "tls", key: str(file)})

        with pytest.raises(UsageError, match=f"kafka.{key} {re.escape(str(file))}"):
            client_settings(config, {})


def test_brokers_can_be_given_on_the_command_line() -> None:
    """They replace those of the file; what is no address is refused."""
    assert at_brokers(KafkaConfig(), None) == KafkaConfig()
    assert at_brokers(KafkaConfig(), "a:1,b:2").brokers == ("a:1", "b:2")
    with pytest.raises(UsageError, match=r'--brokers: "a" is no address'):
        at_brokers(KafkaConfig(), "a")
