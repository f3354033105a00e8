import contextlib
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from thingplane.tls import Certificates, ensure_certificates, server_context


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return ensure_certificates(tmp_path / "tls", ["iot.example.com", "10.1.2.3"])


def handshake(certificates: Certificates, name: str) -> None:
    """Complete a handshake in memory; raises ssl.SSLError as a client would see it."""
    client_in, client_out, server_in, server_out = (ssl.MemoryBIO() for _ in range(4))
    trust = ssl.create_default_context(cafile=str(certificates.ca))
    client = trust.wrap_bio(client_in, client_out, server_hostname=name)
    server = server_context(certificates.certificate, certificates.key).wrap_bio(
        server_in, server_out, server_side=True
    )
    for _ in range(4):
        for side, outgoing, peer in ((client, client_out, server_in), (server, server_out, client_in)):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
            peer.write(outgoing.read())


@pytest.mark.parametrize("name", ["iot.example.com", "10.1.2.3", "localhost", "127.0.0.1"])
def test_clients_that_trust_the_authority_accept_the_server(certificates: Certificates, name: str) -> None:
    handshake(certificates, name)


def test_clients_refuse_a_name_that_was_not_asked_for(certificates: Certificates) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificates, "other.example.com")


def test_keys_are_p256_and_readable_by_their_owner_only(certificates: Certificates) -> None:
    key = x509.load_pem_x509_certificate(certificates.certificate.read_bytes()).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    for file in (certificates.key, certificates.ca.with_name("ca.key")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_second_start_keeps_everything(certificates: Certificates) -> None:
    before = [file.read_bytes() for file in certificates]
    ensure_certificates(certificates.ca.parent, ["iot.example.com", "10.1.2.3"])
    assert [file.read_bytes() for file in certificates] == before


def test_new_name_renews_the_server_certificate_under_the_same_authority(certificates: Certificates) -> None:
    ca = certificates.ca.read_bytes()
    ensure_certificates(certificates.ca.parent, ["new.example.com"])
    assert certificates.ca.read_bytes() == ca
    handshake(certificates, "new.example.com")


def test_start_with_the_same_ipv6_address_keeps_the_server_certificate(tmp_path: Path) -> None:
    before = ensure_certificates(tmp_path / "tls", ["2001:db8::0a"]).certificate.read_bytes()
    assert ensure_certificates(tmp_path / "tls", ["2001:db8::a"]).certificate.read_bytes() == before


def test_certificate_of_another_authority_is_replaced(certificates: Certificates, tmp_path: Path) -> None:
    other = ensure_certificates(tmp_path / "other", ["iot.example.com"])
    certificates.certificate.write_bytes(other.certificate.read_bytes())
    certificates.key.write_bytes(other.key.read_bytes())
    ensure_certificates(certificates.ca.parent, ["iot.example.com"])
    handshake(certificates, "iot.example.com")


def test_file_that_is_no_certificate_is_an_error(certificates: Certificates) -> None:
    certificates.certificate.write_text("rubbish")
    with pytest.raises(ValueError, match=r".+"):
        ensure_certificates(certificates.ca.parent, [])
