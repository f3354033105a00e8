"""The node's certificates: a private certificate authority and a server certificate, made at first start."""

import contextlib
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

RENEW_DAYS = 30


_CIPHERS: Final = "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:-SHA1:!AESCCM"
"""As Python has them."""
_RSA_CIPHERS: Final = ":AES256-SHA256:AES128-SHA256:AES256-SHA:AES128-SHA"
"""The vendor's SDKs for C are built without Diffie-Hellman: they offer nothing but these, and who offers more gets
something better."""


class KeyPair(NamedTuple):
    """PEM files of a certificate, followed by its chain, and of its private key."""

    certificate: Path
    key: Path


class Certificates(NamedTuple):
    """Files that a TLS server needs, and the one its clients need."""

    ca: Path
    certificate: Path
    key: Path
    rsa: KeyPair | None = None
    """The server's second certificate, for clients without elliptic curves; None if there is only the first."""

    @property
    def pairs(self) -> list[KeyPair]:
        """All certificates of the server with their keys."""
        first = KeyPair(self.certificate, self.key)
        return [first] if self.rsa is None else [first, self.rsa]


def ensure_certificates(folder: Path, names: Iterable[str]) -> Certificates:
    """Make what is missing: an RSA certificate authority and server certificates for these names.

    There are two of the server: with a P-256 key, which makes handshakes cheap, and with an RSA key for clients without
    elliptic curves, such as the vendor's SDKs for C. The authority is made once, since devices carry its certificate.
    The server's are made anew when one of them ends within 30 days or lacks one of the names.

    Args:
        folder: where the PEM files are; keys get mode 0600.
        names: host names and addresses of the server; localhost and the machine's own name are added.

    Raises:
        OSError: a file can't be read or written.
        ValueError: an existing file holds no certificate or key.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    curve = KeyPair(folder / "server.pem", folder / "server.key")
    rsa = KeyPair(folder / "server-rsa.pem", folder / "server-rsa.key")
    files = Certificates(folder / "ca.pem", *curve, rsa)
    ca_key = folder / "ca.key"
    has_authority = files.ca.exists() and ca_key.exists()
    wanted = _subject_names(names)
    present = all(file.exists() for file in (*curve, *rsa))
    if has_authority and present and _serves(files.ca, curve, wanted) and _serves(files.ca, rsa, wanted):
        return files
    from thingplane import certificates  # noqa: PLC0415 - see there

    if not has_authority:
        certificates.issue_authority(files.ca, ca_key)
    certificates.issue_servers(files.ca, ca_key, wanted, curve=curve, rsa_pair=rsa)
    return files


def server_context(
    certificate: Path, key: Path, rsa: KeyPair | None = None, *, rsa_key_exchange: bool = True
) -> ssl.SSLContext:
    """Return the TLS context of all listeners.

    TLS 1.2 and 1.3; session tickets are off, since each costs a connection some kilobytes and devices don't resume.

    Args:
        certificate: PEM file, the server's certificate first.
        key: PEM file of its private key.
        rsa: a second certificate, if the first has a key of another kind.
        rsa_key_exchange: whether to offer key exchange by RSA, too.

    Raises:
        OSError: a file can't be read or doesn't fit (``ssl.SSLError`` is one).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    context.set_ciphers(_CIPHERS + _RSA_CIPHERS if rsa_key_exchange else _CIPHERS)
    context.load_cert_chain(certificate, key)
    if rsa is not None:
        context.load_cert_chain(*rsa)
    return context


def _subject_names(names: Iterable[str]) -> list[str]:
    own = ("localhost", "127.0.0.1", "::1", socket.gethostname())
    # A wildcard address is no name to connect to.
    return sorted({name for name in (*own, *names) if name and name not in {"0.0.0.0", "::"}})  # noqa: S104


def _serves(ca: Path, pair: KeyPair, names: list[str]) -> bool:
    """Tell whether clients accept a server certificate under every name, and will for some time.

    Raises:
        ValueError: a file holds no certificate or key.
    """
    try:
        certificate = _presented(ca, pair)
    except ssl.SSLCertVerificationError:
        return False  # another authority's, or it has ended
    except ssl.SSLError as error:
        raise ValueError(f"{pair.certificate} and {pair.key} are no certificate with its key: {error}") from error
    if ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time() < RENEW_DAYS * 86_400:
        return False
    present = {value for _, value in certificate.get("subjectAltName", ())}
    return {_shown(name) for name in names} <= present


def _shown(name: str) -> str:
    """Return a name or address as OpenSSL shows it: IPv6 addresses in full."""
    try:
        address = ipaddress.IPv6Address(name)
    except ValueError:
        return name
    return ":".join(f"{int(group, 16):X}" for group in address.exploded.split(":"))


def _presented(ca: Path, pair: KeyPair) -> dict[str, Any]:
    """Return what a client that trusts the authority gets to see: the certificate of a handshake in memory."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.check_hostname = False
    trust.load_verify_locations(ca)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trust.wrap_bio(to_client, to_server)
    server = server_context(*pair).wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    presented: dict[str, Any] = client.getpeercert() or {}
    return presented
