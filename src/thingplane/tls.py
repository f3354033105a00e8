"""The node's certificates: a private certificate authority and a server certificate, made at first start."""

import contextlib
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

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
    ca_key = folder / "ca.key"
    has_authority = files.ca.exists() and ca_key.exists()
    wanted = _subject_names(names)
    if has_authority and files.certificate.exists() and files.key.exists() and _serves(files, wanted):
        return files
    from thingplane import certificates  # noqa: PLC0415 - see there

    if not has_authority:
        certificates.issue_authority(files.ca, ca_key)
    certificates.issue_server(files.ca, ca_key, files.certificate, files.key, wanted)
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


def _serves(files: Certificates, names: list[str]) -> bool:
    """Tell whether clients accept the server certificate under every name, and will for some time.

    Raises:
        ValueError: a file holds no certificate or key.
    """
    try:
        certificate = _presented(files)
    except ssl.SSLCertVerificationError:
        return False  # another authority's, or it has ended
    except ssl.SSLError as error:
        raise ValueError(f"{files.certificate} and {files.key} are no certificate with its key: {error}") from error
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


def _presented(files: Certificates) -> dict[str, Any]:
    """Return what a client that trusts the authority gets to see: the certificate of a handshake in memory."""
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.check_hostname = False
    trust.load_verify_locations(files.ca)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trust.wrap_bio(to_client, to_server)
    server = server_context(files.certificate, files.key).wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    presented: dict[str, Any] = client.getpeercert() or {}
    return presented
