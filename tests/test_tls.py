import contextlib
import shutil
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from thingplane.tls import Certificates, ensure_certificates, server_context

NAMES = ["iot.example.com", "10.1.2.3"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificates that no test changes: making RSA keys takes a while."""
    folder = tmp_path_factory.mktemp("certificates") / "tls"
    ensure_certificates(folder, NAMES)
    return folder


@pytest.fixture
def certificates(made: Path, tmp_path: Path) -> Certificates:
    shutil.copytree(made, tmp_path / "tls")
    return ensure_certificates(tmp_path / "tls", NAMES)


def handshake(
    certificates: Certificates, name: str, ciphers: str = "", *, rsa_key_exchange: bool = True
) -> x509.Certificate:
    """Complete a handshake in memory; raises ssl.SSLError as a client would see it.

    Args:
        certificates: of the server.
        name: that the client connects to.
        ciphers: all that the client offers, with TLS 1.2; empty: what any client offers.
        rsa_key_exchange: whether the server offers it.

    Returns:
        The certificate that the server has shown.
    """
    client_in, client_out, server_in, server_out = (ssl.MemoryBIO() for _ in range(4))
    trust = ssl.create_default_context(cafile=str(certificates.ca))
    if ciphers:
        trust.maximum_version = ssl.TLSVersion.TLSv1_2
        trust.set_ciphers(ciphers)
    client = trust.wrap_bio(client_in, client_out, server_hostname=name)
    context = server_context(*certificates[1:], rsa_key_exchange=rsa_key_exchange)
    server = context.wrap_bio(server_in, server_out, server_side=True)
    for _ in range(4):
        for side, outgoing, peer in ((client, client_out, server_in), (server, server_out, client_in)):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
            peer.write(outgoing.read())
    shown = client.getpeercert(binary_form=True)
    assert shown
    return x509.load_der_x509_certificate(shown)


@pytest.mark.parametrize("name", ["iot.example.com", "10.1.2.3", "localhost", "127.0.0.1"])
def test_clients_that_trust_the_authority_accept_the_server(certificates: Certificates, name: str) -> None:
    handshake(certificates, name)


def test_clients_refuse_a_name_that_was_not_asked_for(certificates: Certificates) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificates, "other.example.com")


def test_keys_are_readable_by_their_owner_only(made: Path) -> None:
    assert {file.name for file in made.iterdir() if stat.S_IMODE(file.stat().st_mode) == 0o600} == {
        "ca.key",
        "server.key",
        "server-rsa.key",
    }


def test_clients_of_today_get_the_certificate_with_the_cheaper_handshake(certificates: Certificates) -> None:
    for ciphers in ("", "DEFAULT", "ECDHE-ECDSA-AES128-GCM-SHA256"):
        key = handshake(certificates, "localhost", ciphers).public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert key.curve.name == "secp256r1"


# What the vendor's SDKs for C are built with: no elliptic curves, no Diffie-Hellman, no GCM.
@pytest.mark.parametrize("cipher", ["AES256-SHA256", "AES128-SHA256", "AES256-SHA", "AES128-SHA"])
def test_clients_without_elliptic_curves_are_served_by_rsa_alone(certificates: Certificates, cipher: str) -> None:
    assert isinstance(handshake(certificates, "localhost", cipher).public_key(), rsa.RSAPublicKey)
    authority = x509.load_pem_x509_certificate(certificates.ca.read_bytes())
    assert isinstance(authority.public_key(), rsa.RSAPublicKey)
    assert isinstance(authority.signature_hash_algorithm, hashes.SHA256)


def test_key_exchange_by_rsa_can_be_turned_off(certificates: Certificates) -> None:
    for cipher in ("AES256-SHA256", "AES128-SHA256", "AES256-SHA", "AES128-SHA"):
        with pytest.raises(ssl.SSLError, match="NO_SHARED_CIPHER"):
            handshake(certificates, "localhost", cipher, rsa_key_exchange=False)
    handshake(certificates, "localhost", "ECDHE-RSA-AES128-GCM-SHA256", rsa_key_exchange=False)


def test_second_start_keeps_everything(certificates: Certificates) -> None:
    folder = certificates.ca.parent
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    ensure_certificates(folder, NAMES)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


def test_a_folder_without_an_rsa_certificate_gets_one_under_its_authority(certificates: Certificates) -> None:
    assert certificates.rsa is not None
    ca = certificates.ca.read_bytes()
    certificates.rsa.certificate.unlink()
    ensure_certificates(certificates.ca.parent, NAMES)
    assert certificates.ca.read_bytes() == ca
    handshake(certificates, "localhost", "AES128-SHA")


def test_new_name_renews_the_server_certificate_under_the_same_authority(certificates: Certificates) -> None:
    ca = certificates.ca.read_bytes()
    ensure_certificates(certificates.ca.parent, ["new.example.com"])
    assert certificates.ca.read_bytes() == ca
    handshake(certificates, "new.example.com")


def test_start_with_the_same_ipv6_address_keeps_the_server_certificate(tmp_path: Path) -> None:
    before = ensure_certificates(tmp_path / "tls", ["2001:db8::0a"]).certificate.read_bytes()
    assert ensure_certificates(tmp_path / "tls", ["2001:db8::a"]).certificate.read_bytes() == before


@pytest.mark.parametrize("kind", ["server", "server-rsa"])
def test_certificate_of_another_authority_is_replaced(certificates: Certificates, tmp_path: Path, kind: str) -> None:
    other = ensure_certificates(tmp_path / "other", ["iot.example.com"])
    for suffix in (".pem", ".key"):
        shutil.copy(other.ca.with_name(kind + suffix), certificates.ca.with_name(kind + suffix))
    ensure_certificates(certificates.ca.parent, ["iot.example.com"])
    handshake(certificates, "iot.example.com")


def test_file_that_is_no_certificate_is_an_error(certificates: Certificates) -> None:
    certificates.certificate.write_text("rubbish")
    with pytest.raises(ValueError, match=r".+"):
        ensure_certificates(certificates.ca.parent, [])
