"""TLS-PSK (device-protocol, 1.11): keys, and handshakes of OpenSSL's own client."""

import asyncio
import hmac
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest
from structlog.testing import LogCapture

from tests.gateway.real_world import RealWorld, real_world
from tests.gateway.test_registering import say, secret_connect
from tests.mqtt.wire import write_packets
from thingplane.devices.service import Device
from thingplane.gateway import psk_server
from thingplane.gateway.device_tls import DeviceTls
from thingplane.gateway.ports import Devices
from thingplane.gateway.psk import PskKeys, derive_key, parse_identity
from thingplane.gateway.psk_server import PskUnavailableError, use_psk
from thingplane.storage.database import Database
from thingplane.tls import Certificates, server_context

TIMESTAMP = "2524608000000"


def identity(product_key: str, name: str, method: str = "hmacsha256") -> str:
    return f"devicename|{method}|{product_key}&{name}|{TIMESTAMP}"


def test_the_key_is_that_of_the_reference() -> None:
    parsed = parse_identity(identity("a1ExampleK1", "sensor-01"))
    assert parsed is not None
    secret = "0123456789abcdef0123456789abcdef"
    digits = "A4055B6B3ACA24E9236E87790CA493CE0EAC818E7D6D7D6E04E4FF52C4652280"
    assert derive_key(parsed, secret) == bytes.fromhex(digits)
    # The vendor's SDK for C offers this cipher suite alone, and uses the digits as they are.
    assert derive_key(parsed, secret, 0x008C) == digits.encode()


@pytest.mark.parametrize(("method", "size"), [("hmacmd5", 16), ("hmacsha1", 20), ("hmacsha256", 32)])
def test_the_method_is_a_part_of_the_identity(method: str, size: int) -> None:
    parsed = parse_identity(identity("a1ExampleK1", "sensor-01", method))
    assert parsed is not None
    assert len(derive_key(parsed, "secret")) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a1ExampleK1&sensor-01",
        identity("a1ExampleK1", "sensor-01", "sha256"),
        identity("a1ExampleK1", "sensor-01", "HMACSHA256"),
        identity("a1ExampleK1", "+"),
        identity("a1/x", "sensor-01"),
        identity("a1ExampleK1", "sensor-01\0"),
        identity("a1ExampleK1", "sensor-01&x"),
        identity("a1ExampleK1", "sensor-01") + "\n",
        identity("a1ExampleK1", "sensor-01").replace(TIMESTAMP, "\u0661"),
        "id2|hmacsha256|a1ExampleK1&sensor-01|1",
    ],
)
def test_identities_of_another_form_have_no_key(text: str) -> None:
    assert parse_identity(text) is None


@pytest.fixture
async def world(embedded: Database, certificates: Certificates) -> AsyncIterator[RealWorld]:
    async with real_world(embedded, certificates) as world:
        yield world


@pytest.fixture
async def device(world: RealWorld) -> Device:
    return await world.device(await world.product())


async def talk(port: int, text: str, key: bytes, data: bytes, *options: str) -> bytes:
    """Send data with OpenSSL's client, by default with pre-shared keys only; return what came within the connection.

    TLS 1.3 if its options name suites of it.
    """
    process = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-quiet", "-no_ign_eof"),
        "-tls1_3" if "-ciphersuites" in options else "-tls1_2",
        *("-psk_identity", text, "-psk", key.hex(), *(options or ("-cipher", "PSK"))),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(data)
    async with asyncio.timeout(10):
        received = await process.stdout.read(4)
    process.stdin.close()
    await process.wait()
    return received


def key_of(device: Device, timestamp: str = TIMESTAMP) -> bytes:
    content = f"id{device.product_key}&{device.name}timestamp{timestamp}"
    return hmac.digest(device.secret.encode(), content.encode(), "sha256")


@pytest.mark.parametrize(
    ("options", "as_text"),
    [
        ((), False),
        (("-cipher", "PSK-AES128-GCM-SHA256"), False),
        (("-cipher", "PSK-AES128-CBC-SHA256"), False),
        (("-cipher", "PSK-AES128-CBC-SHA"), True),
        (("-ciphersuites", "TLS_AES_128_GCM_SHA256", "-verify_return_error"), False),  # not by certificate
    ],
)
@pytest.mark.parametrize("is_cached", [True, False])
async def test_a_device_connects_with_its_key(
    world: RealWorld, device: Device, options: tuple[str, ...], as_text: bool, is_cached: bool
) -> None:
    if not is_cached:
        world.devices._directory.drop(device.id)
    key = key_of(device).hex().upper().encode() if as_text else key_of(device)
    packet = write_packets([secret_connect(device)], 4)
    text = identity(device.product_key, device.name)
    assert await talk(world.ports.mqtt, text, key, packet, *options) == b"\x20\x02\x00\x00"
    found = await world.devices.find(device.product_key, device.name)
    assert found is not None
    assert found.activated_at is not None


async def test_wrong_keys_unknown_and_disabled_devices_look_alike(world: RealWorld, device: Device) -> None:
    packet = write_packets([secret_connect(device)], 4)
    text = identity(device.product_key, device.name)
    port = world.ports.mqtt
    assert await talk(port, text, bytes(32), packet) == b""
    assert await talk(port, identity(device.product_key, "lamp-99"), key_of(device), packet) == b""
    assert await talk(port, text.replace(TIMESTAMP, "1"), key_of(device), packet) == b""
    await world.devices.disable(device)
    assert await talk(port, text, key_of(device), packet) == b""
    assert world.gateway.reading()["mqtt_rejected_total:tls"] == 4


async def test_with_tls_1_3_a_wrong_key_is_no_way_in_either(world: RealWorld, device: Device) -> None:
    packet = write_packets([secret_connect(device)], 4)
    text = identity(device.product_key, device.name)
    options = ("-ciphersuites", "TLS_AES_128_GCM_SHA256")
    assert await talk(world.ports.mqtt, text, bytes(32), packet, *options) == b""


async def test_an_identity_that_is_no_text_has_no_key(world: RealWorld, device: Device) -> None:
    packet = write_packets([secret_connect(device)], 4)
    assert await talk(world.ports.mqtt, "\udcff", bytes(32), packet) == b""  # the byte 0xFF
    assert world.gateway.reading()["mqtt_rejected_total:tls"] == 1


async def test_the_key_of_one_device_is_no_way_in_for_another(world: RealWorld, device: Device) -> None:
    product = await world.products.find(device.product_key)
    assert product is not None
    other = await world.device(product, "lamp-2")
    packet = write_packets([secret_connect(other)], 4)
    text = identity(device.product_key, device.name)
    assert await talk(world.ports.mqtt, text, key_of(device), packet) == b"\x20\x02\x00\x04"


async def test_the_server_certificate_serves_the_others_as_before(
    world: RealWorld, device: Device, trusting: ssl.SSLContext
) -> None:
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        trusting.minimum_version = trusting.maximum_version = version
        assert (await say(world, secret_connect(device), trusting))[1].code == 0


async def test_who_can_do_with_the_certificate_gets_it_whatever_keys_it_offers(
    world: RealWorld, device: Device
) -> None:
    # The vendor's SDKs for C offer suites with keys even when they have none, and fail if one of them is chosen.
    packet = write_packets([secret_connect(device)], 4)
    for suites in ("DEFAULT:PSK", "PSK-AES128-CBC-SHA:RSA-PSK-AES128-CBC-SHA:AES128-SHA"):
        assert await talk(world.ports.mqtt, "nobody", bytes(32), packet, "-cipher", suites) == b"\x20\x02\x00\x00"


class _NativeContext(ssl.SSLContext):
    """What Python 3.13 documents of pre-shared keys, made from OpenSSL's function where Python is older."""

    def set_psk_server_callback(
        self, callback: Callable[[str | None], bytes] | None, identity_hint: str | None = None
    ) -> None:
        assert callback is not None
        assert identity_hint is None
        psk_server._install(self, lambda identity: callback(identity or None))


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="it has it: all other tests use it")
async def test_the_interface_of_newer_pythons_is_used_where_it_is(
    world: RealWorld, device: Device, certificates: Certificates
) -> None:
    context = _NativeContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.certificate, certificates.key)
    keys = PskKeys(cast("Devices", world.devices))
    use_psk(context, keys.key)
    world.gateway.use_tls(context, keys)
    packet = write_packets([secret_connect(device)], 4)
    text = identity(device.product_key, device.name)
    assert await talk(world.ports.mqtt, text, key_of(device), packet) == b"\x20\x02\x00\x00"
    assert await talk(world.ports.mqtt, text, bytes(32), packet) == b""
    assert await talk(world.ports.mqtt, "someone", bytes(32), packet) == b""


def test_a_python_whose_openssl_has_no_pre_shared_keys_says_so(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unimplemented(_context: ssl.SSLContext, _callback: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(ssl.SSLContext, "set_psk_server_callback", unimplemented, raising=False)
    context = server_context(certificates.certificate, certificates.key)
    with pytest.raises(PskUnavailableError, match="OpenSSL"):
        use_psk(context, lambda _identity: None)


def test_where_it_cannot_be_done_it_is_refused_or_logged(
    certificates: Certificates, monkeypatch: pytest.MonkeyPatch, logs: LogCapture
) -> None:
    def unavailable(*_arguments: object) -> None:
        raise PskUnavailableError("not here")

    def hidden(_context: ssl.SSLContext) -> None:
        raise AttributeError

    monkeypatch.setattr(psk_server, "_install", unavailable)
    # Python 3.13 has it in a base class, from which nothing can be removed.
    monkeypatch.setattr(ssl.SSLContext, "set_psk_server_callback", property(hidden), raising=False)

    def make() -> ssl.SSLContext:
        return server_context(certificates.certificate, certificates.key)

    keys = PskKeys(None)  # type: ignore[arg-type]  # nobody asks for a key
    with pytest.raises(ValueError, match="mqtt_psk: not here"):
        DeviceTls(make, keys, "on")
    assert DeviceTls(make, keys, "auto").keys is None
    assert [entry["event"] for entry in logs.entries] == ["TLS-PSK is not offered"]
    assert DeviceTls(make, keys, "off").keys is None
    assert isinstance(DeviceTls(make, keys, "off").context([]), ssl.SSLContext)
