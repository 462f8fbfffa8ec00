"""E-mail: plain text, by SMTP with encryption from the start (TLS) or from the greeting on (STARTTLS)."""

from __future__ import annotations

import asyncio
import base64
import smtplib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Literal

from streams.alerts.answer import Answer, Refused, Sent, TryAgain, told
from streams.alerts.words import details, headline, utc
from streams.core.alert.notice import Notice

MailSecurity = Literal["starttls", "tls", "none"]


@dataclass(frozen=True)
class Mailbox:
    """
    Where mail goes out.

    Attributes
    ----------
    host, port
        The server.
    security
        How the connection is encrypted.
    timeout
        Seconds for each step of the conversation.
    username, password
        With what to log in; empty where that is not asked for.
    tls
        Which certificates are trusted; None without encryption.
    """

    host: str
    port: int
    security: MailSecurity
    timeout: float
    username: str = ""
    password: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def deliver(self, message: EmailMessage) -> dict[str, tuple[int, bytes]]:
        """Send a message; return the recipients that were refused. Raises `SMTPException` and `OSError`."""
        with self._connected() as server:
            if self.security == "starttls":
                server.starttls(context=self.tls)
            if self.username:
                server.login(self.username, self.password)
            return server.send_message(message)

    def secrets(self) -> list[str]:
        """Return what must not be repeated of an answer: the password, and the forms in which it is sent."""
        if not self.password:
            return []
        sent = (self.password, f"\0{self.username}\0{self.password}")
        return [self.password, *(base64.b64encode(form.encode()).decode() for form in sent)]

    def _connected(self) -> smtplib.SMTP:
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=self.timeout, context=self.tls)
        return smtplib.SMTP(self.host, self.port, timeout=self.timeout)


@dataclass(frozen=True)
class Email:
    """
    One list of addresses.

    Attributes
    ----------
    name
        The route's name.
    sender, to
        Addresses.
    mailbox
        Where mail goes out.
    now
        The time, us.
    """

    name: str
    sender: str
    to: tuple[str, ...]
    mailbox: Mailbox
    now: Callable[[], int]

    async def send(self, notice: Notice) -> Answer:
        """Send one notice once, in a thread, so that nothing waits for the mail server."""
        return await asyncio.to_thread(self._deliver, self.message(notice))

    def message(self, notice: Notice) -> EmailMessage:
        """Return a notice as mail. Mail about one alert refers to one id, so readers show it as one conversation."""
        message = EmailMessage()
        message["Subject"] = headline(notice)
        message["From"] = self.sender
        message["To"] = ", ".join(self.to)
        message["Date"] = format_datetime(utc(self.now()))
        domain = self.sender.rpartition("@")[2].rstrip(">")
        message["Message-ID"] = f"<{notice.dedup_key}.{notice.revision}@{domain}>"
        message["References"] = f"<{notice.dedup_key}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: holiday notices do not answer it
        message["X-Streams-Dedup-Key"] = notice.dedup_key
        lines = [f"{name}: {text}" for name, text in details(notice).items()]
        lines += [f"runbook: {notice.runbook}"] if notice.runbook else []
        message.set_content("\n".join([headline(notice), "", *lines, f"dedup_key: {notice.dedup_key}", ""]))
        return message

    def _deliver(self, message: EmailMessage) -> Answer:
        try:
            refused = self.mailbox.deliver(message)
        except smtplib.SMTPRecipientsRefused as error:
            # If one of them may be there later, so may be the mail.
            return self._meaning(min(code for code, _ in error.recipients.values()), _everybody(error.recipients))
        except smtplib.SMTPResponseException as error:
            return self._meaning(error.smtp_code, error.smtp_error)
        except smtplib.SMTPNotSupportedError as error:  # no STARTTLS, or no login: it never will
            return Refused(self._told(str(error)))
        except (smtplib.SMTPException, OSError) as error:
            return TryAgain(self._told(f"{type(error).__name__}: {error}"))
        return Sent(f"refused for {_everybody(refused)}" if refused else "250 taken")

    def _meaning(self, code: int, text: bytes | str) -> Answer:
        words = text.decode(errors="replace") if isinstance(text, bytes) else text
        detail = self._told(f"{code} {words}")
        return Refused(detail) if code >= 500 else TryAgain(detail)

    def _told(self, text: str) -> str:
        return told(text, self.mailbox.secrets())


def _everybody(refused: dict[str, tuple[int, bytes]]) -> str:
    return "; ".join(f"{who}: {code} {text.decode(errors='replace')}" for who, (code, text) in refused.items())
