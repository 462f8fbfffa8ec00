"""`Email` against a mail server: plain, with STARTTLS and with TLS; what it refuses, now and for ever."""

from __future__ import annotations

import asyncio
import base64
import logging
import ssl
import subprocess
from pathlib import Path

import pytest

from streams.alerts.answer import Answer, Refused, Sent, TryAgain
from streams.alerts.email import Email, Mailbox, MailSecurity
from tests.alerts.making import CANARY, NOON, NOTICE
from tests.alerts.servers import SmtpSink

TO = ("ann@example.org", "bob@example.org")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate of 127.0.0.1 that signed itself, in one file with its key."""
    path = tmp_path_factory.mktemp("mail") / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(path) + ".key", "-out", str(path)]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    with path.open("a") as pair:
        pair.write(Path(f"{path}.key").read_text())
    return path


def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def send(
    sink: SmtpSink, security: MailSecurity = "none", tls: ssl.SSLContext | None = None, username: str = ""
) -> Answer:
    """Send one notice to a mail server."""

    async def run() -> Answer:
        async with sink.running():
            box = Mailbox("127.0.0.1", sink.port, security, 5.0, username, CANARY if username else "", tls)
            return await Email("mail", "s@example.org", TO, box, lambda: NOON).send(NOTICE)

    return asyncio.run(run())


def test_mail_arrives() -> None:
    """Everybody gets the message, once."""
    sink = SmtpSink()

    assert send(sink) == Sent("250 taken")
    assert [line[8:] for line in sink.commands if line.upper().startswith("RCPT")] == [f"<{one}>" for one in TO]
    (message,) = sink.messages
    assert f"dedup_key: {NOTICE.dedup_key}".encode() in message


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_connections_are_encrypted(certificate: Path, security: MailSecurity) -> None:
    """With STARTTLS, and with TLS from the start, the password goes out only behind encryption."""
    sink = SmtpSink(tls=server_side(certificate), from_the_start=security == "tls")
    answer = send(sink, security, ssl.create_default_context(cafile=str(certificate)), "ann")
    login = next(line for line in sink.commands if line.startswith("AUTH PLAIN "))

    assert answer == Sent("250 taken")
    assert base64.b64decode(login.split()[2]) == f"\0ann\0{CANARY}".encode()
    assert security == "tls" or sink.commands.index("STARTTLS") < sink.commands.index(login)


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_server_that_nobody_vouches_for_gets_nothing(certificate: Path, security: MailSecurity) -> None:
    """With another certificate than one that is trusted, neither password nor message goes out."""
    sink = SmtpSink(tls=server_side(certificate), from_the_start=security == "tls")
    answer = send(sink, security, ssl.create_default_context(), "ann")

    assert isinstance(answer, TryAgain)
    assert "certificate verify failed" in answer.detail
    assert not [line for line in sink.commands if line.startswith("AUTH")]
    assert sink.messages == []


def test_a_server_without_encryption_gets_nothing() -> None:
    """Where STARTTLS is asked for and not offered, the mail is refused."""
    sink = SmtpSink()
    answer = send(sink, "starttls", ssl.create_default_context())

    assert answer == Refused("STARTTLS extension not supported by server.")
    assert sink.messages == []


@pytest.mark.parametrize(
    ("refusals", "answer"),
    [
        ({"DATA": "451 greylisted"}, TryAgain("451 greylisted")),
        ({"DATA": "554 spam"}, Refused("554 spam")),
        ({"MAIL": "421 too busy"}, TryAgain("421 too busy")),
        ({"RCPT TO:<ANN": "550 gone"}, Sent("refused for ann@example.org: 550 gone")),
    ],
)
def test_what_the_server_says_is_what_it_means(refusals: dict[str, str], answer: Answer) -> None:
    """Codes of 400 to 499 are for now, those from 500 on for ever; who gets nothing is named."""
    assert send(SmtpSink(refusals)) == answer


def test_if_nobody_is_there_it_may_be_later() -> None:
    """All recipients are refused: for ever only if each of them is."""
    assert isinstance(send(SmtpSink({"RCPT": "550 gone"})), Refused)
    assert isinstance(send(SmtpSink({"RCPT TO:<ANN": "450 later", "RCPT": "550 gone"})), TryAgain)


def test_nobody_listens() -> None:
    """A mail server that is away is tried again."""
    sink = SmtpSink()
    send(sink)

    async def run() -> Answer:
        box = Mailbox("127.0.0.1", sink.port, "none", 5.0)
        return await Email("mail", "s@example.org", TO, box, lambda: NOON).send(NOTICE)

    answer = asyncio.run(run())
    assert isinstance(answer, TryAgain)
    assert answer.detail.startswith("ConnectionRefusedError")


def test_passwords_do_not_come_back(certificate: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A server that repeats the password of a login puts it nowhere."""
    encoded = base64.b64encode(f"\0ann\0{CANARY}".encode()).decode()
    sink = SmtpSink({"AUTH": f"535 not {CANARY} {encoded}"}, server_side(certificate))
    with caplog.at_level(logging.DEBUG):
        answer = send(sink, "starttls", ssl.create_default_context(cafile=str(certificate)), "ann")

    assert answer == Refused("535 not [secret] [secret]")
    assert CANARY not in repr(answer) + caplog.text
    assert CANARY not in repr(Mailbox("h", 25, "none", 1.0, "ann", CANARY))
