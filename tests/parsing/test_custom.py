"""Messages on custom topics that ask for the script."""

from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from tests.parsing.world import RawWorld
from tests.scripts import examples
from tests.scripts.support import LANGUAGES
from tests.telemetry.world import ON_ONE_DATABASE
from thingplane.alink import Uplink
from thingplane.bus import LocalBus
from thingplane.parsing.custom import MARK, CustomMessages
from thingplane.parsing.service import ParsingService
from thingplane.products.service import ProductService
from thingplane.scripts.language import Language
from thingplane.scripts.process import Script


async def publish(raw: RawWorld, payload: bytes, mark: str = MARK, *, waits: bool = False) -> list[tuple[str, bytes]]:
    """Publish on a custom topic, and return what the next handler gets."""
    passed: list[tuple[str, bytes]] = []

    async def later(uplink: Uplink) -> None:
        passed.append((uplink.topic, uplink.payload))

    def then(uplink: Uplink) -> Any:
        return later(uplink) if waits else passed.append((uplink.topic, uplink.payload))

    topic = f"/{raw.product.product_key}/raw1/user/update"
    messages = CustomMessages(raw.world.parsing, raw.logs, then)
    pending = messages.on_custom_message(Uplink(raw.device, topic, mark, payload, 0))
    if pending is not None:
        await pending
    return passed


@ON_ONE_DATABASE
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("waits", [True, False])
async def test_the_scripts_result_takes_the_place_of_the_payload(
    raw: RawWorld, language: Language, waits: bool
) -> None:
    await raw.write(examples.SCRIPTS[language].source, language.value)
    [(topic, payload)] = await publish(raw, examples.POST, waits=waits)
    assert topic == f"/{raw.product.product_key}/raw1/user/update"
    assert msgspec.json.decode(payload) == {"topic": topic, "temp": -123, "sw": 1}


@ON_ONE_DATABASE
async def test_without_the_mark_messages_pass_as_they_are(raw: RawWorld) -> None:
    await raw.write()
    assert [payload for _, payload in await publish(raw, examples.POST, mark="")] == [examples.POST]


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("function rawDataToProtocol() {}", 26006),
        ("function transformPayload() { throw 1; }", 26002),
        ("function transformPayload() { return 'text'; }", 26007),
        (None, 6200),
    ],
)
async def test_a_message_that_cannot_be_parsed_is_dropped_and_logged(
    raw: RawWorld, source: str | None, code: int
) -> None:
    if source is not None:
        await raw.write(source)
    with capture_logs() as logs:
        assert await publish(raw, b"\x00") == []
    [line] = logs
    assert (line["code"], line["device_name"]) == (code, "raw1")
    [(noted, text)] = await raw.noted()
    assert noted == str(code)
    assert f"/{raw.product.product_key}/raw1/user/update" in text


async def test_a_product_that_speaks_alink_gets_a_script_from_the_command_line(raw: RawWorld) -> None:
    world = raw.world
    product = await world.add_product("Alink", data_format=1)
    device = await world.devices.register(product, "alink1")
    await world.products.refresh()
    # The command line is another process, with services of its own.
    bus = LocalBus()
    elsewhere = ParsingService(
        world.database, world.clock, bus, ProductService(world.database, world.clock, bus), world.scripts
    )
    for number in (1, 2):
        source = f"function transformPayload(topic, bytes) {{ return {{ number: {number}, bytes: bytes.length }}; }}"
        await elsewhere.put(product, Script(Language.JAVASCRIPT, source))
        await world.products.refresh()
        passed: list[bytes] = []
        messages = CustomMessages(world.parsing, raw.logs, lambda uplink, passed=passed: passed.append(uplink.payload))  # type: ignore[misc]
        pending = messages.on_custom_message(Uplink(device, "/topic", MARK, b"abc", 0))
        assert pending is not None
        await pending
        assert [msgspec.json.decode(payload) for payload in passed] == [{"number": number, "bytes": 3}]
    assert (await raw.call("GetThingScript", ProductKey=product.product_key))["Success"] is True
