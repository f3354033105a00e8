"""Issuing the node's certificates.

Apart from ``tls``, because a node that has its certificates need not import the library, which takes 8 MB.
"""

import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from thingplane.storage.files import write_file
from thingplane.x509 import begin_certificate, self_signed_authority

CA_DAYS = 3650
SERVER_DAYS = 825


def issue_authority(ca: Path, ca_key: Path) -> None:
    """Make a P-256 certificate authority: PEM files of its certificate and, with mode 0600, of its key.

    Raises:
        OSError: a file can't be written.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    _write_key(ca_key, key)
    write_file(
        ca, self_signed_authority("Thingplane private CA", key, CA_DAYS).public_bytes(serialization.Encoding.PEM), 0o644
    )


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


def _server(
    key: ec.EllipticCurvePrivateKey, names: Sequence[str], ca: x509.Certificate, ca_key: ec.EllipticCurvePrivateKey
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Thingplane")])
    return (
        begin_certificate(subject, ca.subject, key, SERVER_DAYS)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _write_key(file: Path, key: ec.EllipticCurvePrivateKey) -> None:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    write_file(file, key.private_bytes(encoding, form, serialization.NoEncryption()), 0o600)
