"""Issuing the node's certificates.

Apart from ``tls``, because a node that has its certificates need not import the library, which takes 8 MB.
"""

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from thingplane.storage.files import write_file

CA_DAYS = 3650
SERVER_DAYS = 825


def issue_authority(ca: Path, ca_key: Path) -> None:
    """Make a P-256 certificate authority: PEM files of its certificate and, with mode 0600, of its key.

    Raises:
        OSError: a file can't be written.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    _write_key(ca_key, key)
    write_file(ca, _authority(key).public_bytes(serialization.Encoding.PEM), 0o644)


def issue_server(ca: Path, ca_key: Path, certificate: Path, key: Path, names: Sequence[str]) -> None:
    """Make a P-256 server certificate for these names, followed by the authority's in its file.

    Raises:
        OSError: a file can't be read or written.
        ValueError: the authority's files hold no certificate, or no elliptic curve key.
    """
    authority = x509.load_pem_x509_certificate(ca.read_bytes())
    authority_key = serialization.load_pem_private_key(ca_key.read_bytes(), None)
    if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{ca_key} is not an elliptic curve key")  # noqa: TRY004 - what is wrong is the file
    private = ec.generate_private_key(ec.SECP256R1())
    issued = _server(private, names, authority, authority_key)
    _write_key(key, private)
    pem = serialization.Encoding.PEM
    write_file(certificate, issued.public_bytes(pem) + authority.public_bytes(pem), 0o644)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


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
    key: ec.EllipticCurvePrivateKey, names: Sequence[str], ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey
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
