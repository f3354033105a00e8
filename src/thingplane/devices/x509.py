"""Reading and issuing certificates of devices.

Apart from ``certificates``, because a node whose devices have none need not import the library, which takes 8 MB.
"""

import contextlib
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from thingplane.x509 import PrivateKey, begin_certificate, self_signed_authority

if TYPE_CHECKING:
    from thingplane.devices.certificates import Authority

RSA_BITS: Final = 2048
AUTHORITY_DAYS: Final = 3650
_PEM: Final = serialization.Encoding.PEM


class Issued(NamedTuple):
    """A certificate with its key, both PEM."""

    serial: str
    """Serial number in hexadecimal digits."""
    certificate: str
    key: bytes

    def __repr__(self) -> str:
        return f"Issued({self.serial!r})"


def serial_of(certificate: bytes) -> str:
    """Return the serial number of a certificate (DER) in hexadecimal digits."""
    return f"{x509.load_der_x509_certificate(certificate).serial_number:X}"


def issuer_of(certificate: bytes, authorities: Iterable["Authority"]) -> "Authority | None":
    """Return which authority has issued a certificate (DER): told by its signature, since names can be chosen."""
    leaf = x509.load_der_x509_certificate(certificate)
    for authority in authorities:
        issuer = x509.load_pem_x509_certificate(authority.certificate.encode())
        with contextlib.suppress(ValueError, TypeError, InvalidSignature):
            leaf.verify_directly_issued_by(issuer)
            return authority
    return None


def read_authority(pem: str) -> tuple[str, str]:
    """Read the certificate of an authority: its SHA-256 in hexadecimal digits, and its PEM without anything around.

    Raises:
        ValueError: it is none; the text says why in one line.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        raise ValueError("the certificate is not that of an authority: it has no basic constraints") from None
    except ValueError:
        raise ValueError("this is no certificate (PEM)") from None
    if not constraints.ca:
        raise ValueError("the certificate is not that of an authority: its basic constraints say so")
    if certificate.not_valid_after_utc <= datetime.now(UTC):
        raise ValueError("the certificate of the authority has ended")
    return certificate.fingerprint(hashes.SHA256()).hex(), certificate.public_bytes(_PEM).decode()


def make_authority(name: str) -> Issued:
    """Make a certificate authority with an RSA key, which every firmware can check."""
    key = rsa.generate_private_key(65537, RSA_BITS)
    return _issued(self_signed_authority(name, key, AUTHORITY_DAYS), key)


def issue(authority: str, authority_key: bytes, name: str, days: int, *, elliptic: bool = False) -> Issued:
    """Issue the certificate of a device with a new key.

    Args:
        authority: certificate of the authority, PEM.
        authority_key: its private key, PEM without password.
        name: common name.
        days: that it is valid.
        elliptic: a P-256 key instead of an RSA key of 2048 bits.

    Raises:
        ValueError: the files do not hold a certificate and its key.
    """
    try:
        issuer = x509.load_pem_x509_certificate(authority.encode())
        signer = serialization.load_pem_private_key(authority_key, None)
    except (ValueError, TypeError):
        raise ValueError("these are no certificate and private key (PEM, without password)") from None
    if not isinstance(signer, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError("the key of the authority must be an RSA or elliptic curve key")  # noqa: TRY004 - the file is wrong
    if signer.public_key() != issuer.public_key():
        raise ValueError("the private key does not belong to the certificate of the authority")
    key: PrivateKey
    key = ec.generate_private_key(ec.SECP256R1()) if elliptic else rsa.generate_private_key(65537, RSA_BITS)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        begin_certificate(subject, issuer.subject, key, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )
    return _issued(certificate, key)


def _issued(certificate: x509.Certificate, key: PrivateKey) -> Issued:
    secret = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return Issued(f"{certificate.serial_number:X}", certificate.public_bytes(_PEM).decode(), secret)
