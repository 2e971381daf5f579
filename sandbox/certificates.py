"""Keys of the sandbox's API server: an authority, one serving certificate, one key that signs service accounts."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["Certificates", "ensure_certificates", "write_private"]

VALID_DAYS = 825
"""The longest a certificate may live for common TLS clients (Apple's limit for user-added authorities)."""
RENEW_DAYS = 30


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files in one folder that only the user can read."""

    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def serving(self) -> Path:
        return self.folder / "apiserver.crt"

    @property
    def serving_key(self) -> Path:
        return self.folder / "apiserver.key"

    @property
    def signing_key(self) -> Path:
        """Signs and verifies service account tokens."""
        return self.folder / "service-account.key"


def ensure_certificates(folder: Path) -> Certificates:
    """The certificates in `folder`, made anew where one is missing, unreadable, or ends within `RENEW_DAYS`."""
    certificates = Certificates(folder)
    if not _usable(certificates):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        _issue(certificates)
    return certificates


def write_private(path: Path, content: bytes) -> None:
    """Write `content` so that no moment exists at which another user could read it or a reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f"{path.name}.tmp")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    temporary.replace(path)


def _usable(certificates: Certificates) -> bool:
    if not all(path.is_file() for path in (certificates.signing_key, certificates.serving_key, certificates.authority)):
        return False
    try:
        found = x509.load_pem_x509_certificate(certificates.serving.read_bytes())
    except (OSError, ValueError):
        return False
    return found.not_valid_after_utc - _now() > dt.timedelta(days=RENEW_DAYS)


def _issue(certificates: Certificates) -> None:
    authority_key, serving_key, signing_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
    authority_name = _name("seekstack sandbox authority")
    authority = (
        _builder(authority_name, authority_name, authority_key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    serving = (
        _builder(_name("kube-apiserver"), authority_name, serving_key)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    write_private(certificates.signing_key, _pem(signing_key))
    write_private(certificates.serving_key, _pem(serving_key))
    write_private(certificates.authority, authority.public_bytes(serialization.Encoding.PEM))
    write_private(certificates.serving, serving.public_bytes(serialization.Encoding.PEM))


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    hour = dt.timedelta(hours=1)  # a clock set back a little must not make it invalid
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_now() - hour)
        .not_valid_after(_now() + dt.timedelta(days=VALID_DAYS))
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
