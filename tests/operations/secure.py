"""A broker that wants to be spoken to safely: TLS, and TLS with a name and a password, beside plain text for itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

from deploy.kafka.kafka import HOST, Broker, free_port

USER, PASSWORD = "alice", "alice's secret"
_JAAS = "org.apache.kafka.common.security.plain.PlainLoginModule required"


class SecureBroker(Broker):
    """
    The broker of `deploy/kafka/kafka.py` with two more listeners.

    Attributes
    ----------
    tls, sasl : str
        Addresses for clients with TLS, and with SASL over TLS.
    ca : Path
        The certificate of whoever signed that of the broker.
    """

    def __init__(self, data: Path) -> None:
        super().__init__(data)
        self.ca = self.data / "ca.pem"
        self._pair = self.data / "broker.pem"
        tls = free_port(self.port, self._controller_port)
        sasl = free_port(self.port, self._controller_port, tls)
        self.tls, self.sasl = f"{HOST}:{tls}", f"{HOST}:{sasl}"

    def _write_settings(self) -> None:
        super()._write_settings()
        _certify(self.data, self._pair)
        ours = {
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{HOST}:{self._controller_port},"
            f"SSL://{self.tls},SASL_SSL://{self.sasl}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": self._pair,
            "sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": f'{_JAAS} user_{USER}="{PASSWORD}";',
        }
        with self._settings.open("a", encoding="utf-8") as file:
            file.writelines(f"{name}={value}\n" for name, value in ours.items())


def make_authority(directory: Path, name: str) -> Path:
    """Make a certificate that signs others, NAME.pem, beside its key, NAME.key."""
    certificate = directory / f"{name}.pem"
    subject = ["-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE"]
    subject += ["-addext", "keyUsage=keyCertSign"]
    _openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject,
             "-keyout", str(directory / f"{name}.key"), "-out", str(certificate))  # fmt: skip
    return certificate


def _certify(directory: Path, pair: Path) -> None:
    """Write the broker's key and certificate into one file, as Kafka reads them."""
    authority = make_authority(directory, "ca")
    key, request, signed, more = (directory / f"broker.{end}" for end in ("key", "csr", "crt", "ext"))
    more.write_text(f"subjectAltName=IP:{HOST}\n", encoding="utf-8")
    _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=broker", "-keyout", str(key), "-out", str(request))
    _openssl("x509", "-req", "-in", str(request), "-CA", str(authority), "-CAkey", str(directory / "ca.key"),
             "-CAcreateserial", "-days", "2", "-extfile", str(more), "-out", str(signed))  # fmt: skip
    pair.write_text(key.read_text(encoding="utf-8") + signed.read_text(encoding="utf-8"), encoding="utf-8")


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)  # noqa: S603, S607
