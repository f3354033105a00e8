"""Issuing the node's certificates.

Apart from ``tls``, because a node that has its certificates need not import the library, which takes 8 MB.
"""

import ipaddress
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from thingplane.storage.files import write_file
from thingplane.tls import KeyPair
from thingplane.x509 import PrivateKey, begin_certificate, self_signed_authority

CA_DAYS = 3650
SERVER_DAYS = 825
RSA_BITS = 2048


def issue_authority(ca: Path, ca_key: Path) -> None:
    """Make an RSA certificate authority: PEM files of its certificate and, with mode 0600, of its key.

    The vendor's SDKs for C are built without elliptic curves, so only RSA is for everybody.

    Raises:
        OSError: a file can't be written.
    """
    key = _rsa_key()
    _write_key(ca_key, key)
    write_file(
        ca, self_signed_authority("Thingplane private CA", key, CA_DAYS).public_bytes(serialization.Encoding.PEM), 0o644
    )


def issue_servers(ca: Path, ca_key: Path, names: Sequence[str], *, curve: KeyPair, rsa_pair: KeyPair) -> None:
    """Make the server certificates for these names, one for each kind of key, followed by the authority's in the files.

    Args:
        ca: file of the authority's certificate.
        ca_key: file of its key.
        names: host names and addresses.
        curve: files of the certificate with a P-256 key.
        rsa_pair: files of the certificate with an RSA key.

    Raises:
        OSError: a file can't be read or written.
        ValueError: the authority's files hold no certificate, or no RSA or elliptic curve key.
    """
    authority = x509.load_pem_x509_certificate(ca.read_bytes())
    authority_key = serialization.load_pem_private_key(ca_key.read_bytes(), None)
    if not isinstance(authority_key, PrivateKey):
        raise ValueError(f"{ca_key} is no RSA or elliptic curve key")  # noqa: TRY004 - what is wrong is the file
    keys: tuple[tuple[KeyPair, PrivateKey], ...] = (
        (curve, ec.generate_private_key(ec.SECP256R1())),
        (rsa_pair, _rsa_key()),
    )
    pem = serialization.Encoding.PEM
    for files, key in keys:
        issued = _server(key, names, authority, authority_key)
        _write_key(files.key, key)
        write_file(files.certificate, issued.public_bytes(pem) + authority.public_bytes(pem), 0o644)


def _rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65_537, key_size=RSA_BITS)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _server(key: PrivateKey, names: Sequence[str], ca: x509.Certificate, ca_key: PrivateKey) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Thingplane")])
    return (
        begin_certificate(subject, ca.subject, key, SERVER_DAYS)
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _write_key(file: Path, key: PrivateKey) -> None:
    encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    write_file(file, key.private_bytes(encoding, form, serialization.NoEncryption()), 0o600)
