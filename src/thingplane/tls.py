"""The node's certificates: a private certificate authority and a server certificate, made at first start."""

import ipaddress
import socket
import ssl
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from thingplane.storage.files import write_file

CA_DAYS = 3650
SERVER_DAYS = 825
RENEW_DAYS = 30


class Certificates(NamedTuple):
    """Files that a TLS server needs, and the one its clients need."""

    ca: Path
    certificate: Path
    key: Path


def ensure_certificates(folder: Path, names: Iterable[str]) -> Certificates:
    """Make what is missing: a P-256 certificate authority and a server certificate for these names.

    The authority is made once, since devices carry its certificate. The server certificate is made anew when it ends
    within 30 days or lacks one of the names.

    Args:
        folder: where the PEM files are; keys get mode 0600.
        names: host names and addresses of the server; localhost and the machine's own name are added.

    Raises:
        OSError: a file can't be read or written.
        ValueError: an existing file holds no certificate or key.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    files = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    ca_key_file = folder / "ca.key"
    if not files.ca.exists() or not ca_key_file.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        _write_key(ca_key_file, key)
        write_file(files.ca, _authority(key).public_bytes(serialization.Encoding.PEM), 0o644)
    wanted = _subject_names(names)
    if not _serves(files, wanted):
        ca = x509.load_pem_x509_certificate(files.ca.read_bytes())
        ca_key = serialization.load_pem_private_key(ca_key_file.read_bytes(), None)
        if not isinstance(ca_key, ec.EllipticCurvePrivateKey):
            raise ValueError(f"{ca_key_file} is not an elliptic curve key")
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _server(key, wanted, ca, ca_key)
        _write_key(files.key, key)
        pem = serialization.Encoding.PEM
        write_file(files.certificate, certificate.public_bytes(pem) + ca.public_bytes(pem), 0o644)
    return files


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return the TLS context of all listeners.

    TLS 1.2 and 1.3; session tickets are off, since each costs a connection some kilobytes and devices don't resume.

    Raises:
        OSError: a file can't be read or doesn't fit (``ssl.SSLError`` is one).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    context.load_cert_chain(certificate, key)
    return context


def _subject_names(names: Iterable[str]) -> list[str]:
    own = ("localhost", "127.0.0.1", "::1", socket.gethostname())
    # A wildcard address is no name to connect to.
    return sorted({name for name in (*own, *names) if name and name not in {"0.0.0.0", "::"}})  # noqa: S104


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _serves(files: Certificates, names: list[str]) -> bool:
    if not files.certificate.exists() or not files.key.exists():
        return False
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    if certificate.not_valid_after_utc - datetime.now(UTC) < timedelta(days=RENEW_DAYS):
        return False
    present = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {_general_name(name) for name in names} <= set(present)


def _authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Thingplane private CA")])
    usage = {"digital_signature": False, "content_commitment": False, "key_encipherment": False}
    usage |= {"data_encipherment": False, "key_agreement": False, "encipher_only": False, "decipher_only": False}
    return (
        _builder(name, name, key, CA_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
        .sign(key, hashes.SHA256())
    )


def _server(
    key: ec.EllipticCurvePrivateKey, names: list[str], ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Thingplane")])
    return (
        _builder(subject, ca.subject, key, SERVER_DAYS)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks of devices run late.
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _write_key(file: Path, key: ec.EllipticCurvePrivateKey) -> None:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    write_file(file, key.private_bytes(encoding, form, serialization.NoEncryption()), 0o600)
