"""Messages in a product's own format, from the device to the history and back."""

from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from tests.parsing.world import RawWorld
from tests.scripts import examples
from tests.scripts.support import LANGUAGES
from tests.telemetry.world import ON_ONE_DATABASE
from thingplane.scripts.language import Language
from thingplane.telemetry.service import TelemetryService


def returning(message: Any, reply: str = "[]") -> str:
    """Return a script whose functions return always the same."""
    text = msgspec.json.encode(message).decode()
    return f"function rawDataToProtocol() {{ return {text}; }} function protocolToRawData(json) {{ return {reply}; }}"


async def failure(raw: RawWorld, payload: bytes = b"\x00\xff") -> dict[str, Any]:
    """Send a message that must fail, and return what is logged."""
    with capture_logs() as logs:
        uplink = await raw.send(payload)
    assert uplink.replies == []
    [line] = [line for line in logs if line["log_level"] == "warning"]
    assert (line["product_key"], line["device_name"]) == (raw.product.product_key, "raw1")
    assert line["raw"] == payload.hex()
    [(code, text)] = await raw.noted()
    assert code == str(line["code"])
    assert text == f"{line['reason']}; topic {uplink.topic}, bytes 0x{payload.hex()}"
    return dict(line)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_post_is_stored_and_answered_in_the_products_own_format(raw: RawWorld, language: Language) -> None:
    await raw.write(examples.SCRIPTS[language].source, language.value)
    uplink = await raw.send(examples.POST)
    assert uplink.replies == [(f"{raw.topic}/up_raw_reply", examples.POST_REPLY)]
    assert await raw.posted() == {"temp": -123, "sw": 1}


async def test_properties_the_model_refuses_are_left_out_as_with_alink(raw: RawWorld) -> None:
    message = {"method": "thing.event.property.post", "id": "1", "params": {"temp": 5, "unknown": 1}}
    await raw.write(returning(message, "[Object.keys(json.data).length, json.code]"))
    uplink = await raw.send(b"\x00")
    assert [reply for _, reply in uplink.replies] == [bytes([1, 200])]
    assert await raw.posted() == {"temp": 5}


async def test_an_event_is_handled_by_its_method(raw: RawWorld) -> None:
    message = {"method": "thing.event.alarm.post", "id": 5, "params": {"code": 7, "note": "x"}}
    await raw.write(returning(message, "[json.id, json.code]"))
    uplink = await raw.send(b"\x00")
    assert [reply for _, reply in uplink.replies] == [bytes([5, 200])]
    now = raw.world.clock.now_ms()
    page = await raw.world.telemetry.events(raw.device.id, ["alarm"], 0, now, 10, ascending=True)
    assert [msgspec.json.decode(point.value) for point in page.records] == [{"code": 7, "note": "x"}]


@ON_ONE_DATABASE
async def test_a_script_that_returns_nothing_for_a_reply_sends_none(raw: RawWorld) -> None:
    await raw.write(returning(examples.POST_MESSAGE))
    with capture_logs() as logs:
        assert (await raw.send(b"\x00")).replies == []
    assert [line["log_level"] for line in logs if line.get("code") == 6201] == ["debug"]
    assert await raw.posted() == {"temp": -123, "sw": 1}


@ON_ONE_DATABASE
async def test_a_request_that_wants_no_reply_gets_none(raw: RawWorld) -> None:
    await raw.write(returning(examples.POST_MESSAGE | {"sys": {"ack": 0}}, "[1]"))
    assert (await raw.send(b"\x00")).replies == []
    assert await raw.posted() == {"temp": -123, "sw": 1}


@ON_ONE_DATABASE
async def test_signed_bytes_of_a_script_are_understood(raw: RawWorld) -> None:
    await raw.write(returning(examples.POST_MESSAGE, "[-1, -128, 255]"))
    assert [reply for _, reply in (await raw.send(b"\x00")).replies] == [b"\xff\x80\xff"]


@ON_ONE_DATABASE
@pytest.mark.parametrize("reply", ["'text'", "[256]", "[-129]", "[1.5]", "['1']", "{}", "[null]", "[[1]]", "true"])
async def test_a_reply_that_is_no_array_of_bytes_is_not_sent(raw: RawWorld, reply: str) -> None:
    await raw.write(returning(examples.POST_MESSAGE, reply))
    line = await failure(raw)
    assert line["code"] == 26007
    assert await raw.posted() == {"temp": -123, "sw": 1}


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("function rawDataToProtocol() { throw new Error('x'); }", 26002),
        ("function (", 26002),
        ("function protocolToRawData() { return [1]; }", 26006),
        ("function rawDataToProtocol() {}", 6201),
        ("function rawDataToProtocol() { return {}; }", 6201),
        ("function rawDataToProtocol() { return 1n; }", 6207),
        ("function rawDataToProtocol() { return 'text'; }", 26007),
        ("function rawDataToProtocol() { return [1]; }", 26007),
        ("function rawDataToProtocol() { return 5; }", 26007),
        ("function rawDataToProtocol() { return { params: {} }; }", 6450),
        ("function rawDataToProtocol() { return { id: 1 }; }", 6450),
        ("function rawDataToProtocol() { return { method: 5 }; }", 6450),
        ("function rawDataToProtocol() { return { method: '' }; }", 6450),
    ],
)
async def test_failures_are_logged_with_their_code_and_the_device(raw: RawWorld, source: str, code: int) -> None:
    await raw.write(source)
    assert (await failure(raw))["code"] == code
    assert await raw.posted() == {}


async def test_a_product_without_script_loses_the_message_and_says_so(raw: RawWorld) -> None:
    assert (await failure(raw))["code"] == 6200


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    "method", ["thing.no.such.method", "thing.model.up_raw", "thing.model.down_raw_reply", "x" * 10_000, "../.."]
)
async def test_methods_that_alink_does_not_define_are_answered_as_such(raw: RawWorld, method: str) -> None:
    await raw.write(returning({"method": method, "id": "9"}, "[+json.id, json.code - 6200]"))
    with capture_logs() as logs:
        uplink = await raw.send(b"\x00")
    assert [reply for _, reply in uplink.replies] == [bytes([9, 3])]
    assert [line["code"] for line in logs if line["log_level"] == "warning"] == [6831]


@ON_ONE_DATABASE
async def test_malformed_requests_of_a_script_are_answered_like_those_of_a_device(raw: RawWorld) -> None:
    message = {"method": "thing.event.property.post", "id": "9", "params": 5}
    await raw.write(returning(message, "[+json.id, json.code - 400]"))
    assert [reply for _, reply in (await raw.send(b"\x00")).replies] == [bytes([9, 60])]


@ON_ONE_DATABASE
async def test_a_changed_script_is_used_for_the_next_message(raw: RawWorld) -> None:
    await raw.write(returning(examples.POST_MESSAGE, "[1]"))
    assert [reply for _, reply in (await raw.send(b"\x00")).replies] == [b"\x01"]
    await raw.write(returning(examples.POST_MESSAGE, "[2]"))
    assert [reply for _, reply in (await raw.send(b"\x00")).replies] == [b"\x02"]


@ON_ONE_DATABASE
async def test_bytes_are_handed_over_as_they_came(raw: RawWorld) -> None:
    await raw.write(
        "function rawDataToProtocol(b) { return { method: 'x', id: b.reduce((a, c) => a + c, 0) + '/' + b.length }; }"
        "function protocolToRawData(json) { return Array.from(json.id, c => c.charCodeAt(0)); }"
    )
    for payload, told in ((bytes(range(256)), b"32640/256"), (b"", b"0/0"), (b"\xff" * 200_000, b"51000000/200000")):
        assert [reply for _, reply in (await raw.send(payload)).replies] == [told]


# What the platform asks.


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_setting_is_sent_and_answered_in_the_products_own_format(raw: RawWorld, language: Language) -> None:
    await raw.write(examples.SCRIPTS[language].source, language.value)
    answer = await raw.call("SetDeviceProperty", DeviceName="raw1", Items='{"temp":333,"sw":1}')
    assert answer["Success"] is True, answer
    [message] = raw.world.downlink.sent
    assert message.topic == f"{raw.topic}/down_raw"
    number = message.payload[1:5]
    assert message.payload == examples.SET[:1] + number + examples.SET[5:]
    await raw.send(examples.SET_REPLY[:1] + number + examples.SET_REPLY[5:], "down_raw_reply")
    output = examples.SET_REPLY_MESSAGE | {"id": str(int.from_bytes(number, "big"))}
    assert await raw.records() == [("set", '{"temp":333,"sw":1}', output)]


async def test_devices_may_answer_on_the_topic_of_posts(raw: RawWorld) -> None:
    await raw.write()
    await raw.call("SetDeviceProperty", DeviceName="raw1", Items='{"temp":1,"sw":0}')
    [message] = raw.world.downlink.sent
    uplink = await raw.send(examples.SET_REPLY[:1] + message.payload[1:5] + examples.SET_REPLY[5:])
    assert uplink.replies == []
    assert [output["code"] for _, _, output in await raw.records()] == ["200"]


async def test_a_reply_is_matched_through_the_history_after_a_restart(raw: RawWorld) -> None:
    await raw.write()
    await raw.call("SetDeviceProperty", DeviceName="raw1", Items='{"temp":1,"sw":0}')
    [message] = raw.world.downlink.sent
    raw.world.telemetry.calls._pending.clear()
    await raw.send(examples.SET_REPLY[:1] + message.payload[1:5] + examples.SET_REPLY[5:], "down_raw_reply")
    assert [(name, output["code"]) for name, _, output in await raw.records()] == [("set", "200")]


@ON_ONE_DATABASE
async def test_ids_of_requests_fit_signed_numbers_of_32_bits(raw: RawWorld) -> None:
    assert isinstance(raw.world.telemetry, TelemetryService)
    calls = raw.world.telemetry.calls
    assert all(calls.begin(raw.device.id, "set", number, b"{}").alink_id < 2**31 for number in range(100))


async def test_a_setting_the_script_makes_nothing_of_fails_and_its_record_says_why(raw: RawWorld) -> None:
    await raw.write(returning(examples.POST_MESSAGE))
    answer = await raw.call("SetDeviceProperty", DeviceName="raw1", Items='{"temp":1}')
    assert answer["Code"] == "iot.device.SetDevicePropertyFailed"
    assert "(6201)" in answer["ErrorMessage"]
    assert raw.world.downlink.sent == []
    [(_, _, output)] = await raw.records()
    assert (output["code"], output["message"]) == (6201, "the script returned nothing")
    assert await raw.noted() == [("6201", "the script returned nothing; request property/set")]


async def test_a_setting_of_many_devices_goes_through_the_script(raw: RawWorld) -> None:
    await raw.write()
    other = await raw.world.devices.register(raw.product, "raw2")
    raw.world.connect(other)
    answer = await raw.call("SetDevicesProperty", DeviceName=["raw1", "raw2"], Items='{"temp":333,"sw":1}')
    assert answer["Success"] is True
    assert [message.payload[5:] for message in raw.world.downlink.sent] == [examples.SET[5:]] * 2


@ON_ONE_DATABASE
async def test_a_broken_script_does_not_make_a_call_for_many_devices_fail(raw: RawWorld) -> None:
    await raw.write("function (")
    answer = await raw.call("SetDevicesProperty", DeviceName=["raw1"], Items='{"temp":333}')
    assert answer["Success"] is True
    assert [output["code"] for _, _, output in await raw.records()] == [26002]
    assert [code for code, _ in await raw.noted()] == ["26002"]


@ON_ONE_DATABASE
async def test_a_script_that_has_to_be_stopped_is_not_tried_for_each_of_many_devices(
    raw: RawWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    await raw.write("function protocolToRawData(json) { return 'x'.repeat(1 << 29); }")
    names = ["raw1", *(f"raw{number}" for number in range(2, 7))]
    for name in names[1:]:
        raw.world.connect(await raw.world.devices.register(raw.product, name))
    tries: list[bytes] = []
    encode = raw.world.parsing.encode

    async def counted(product_id: int, message: bytes) -> bytes:
        tries.append(message)
        return await encode(product_id, message)

    monkeypatch.setattr(raw.world.parsing, "encode", counted)
    answer = await raw.call("SetDevicesProperty", DeviceName=names, Items='{"temp":333}')
    assert answer["Success"] is True
    assert len(tries) == 2
    assert raw.world.downlink.sent == []
    last = await raw.world.devices.resolve(1, product_key=raw.product.product_key, name="raw6")
    for device in (raw.device, last):
        [(_, _, output)] = await raw.records(device)
        assert (output["code"], output["message"]) == (26002, "the script used more than 64 MB of memory")
        assert [code for code, _ in await raw.noted(device)] == ["26002"]


SERVICES = """
function protocolToRawData(json) { return [json.method.split('.').pop().length, json.params.times]; }
function rawDataToProtocol(bytes) { return { id: '1', code: 200, data: { value: bytes[0] } }; }
"""


async def test_an_asynchronous_service_is_called_in_the_products_own_format(raw: RawWorld) -> None:
    await raw.write(SERVICES)
    answer = await raw.call("InvokeThingService", DeviceName="raw1", Identifier="blink", Args='{"times":3}')
    assert answer["Success"] is True
    [message] = raw.world.downlink.sent
    assert (message.topic, message.payload) == (f"{raw.topic}/down_raw", b"\x05\x03")


@pytest.mark.parametrize("announced", [True, False])
async def test_a_synchronous_service_is_called_in_the_products_own_format(raw: RawWorld, announced: bool) -> None:
    await raw.write(SERVICES)
    if announced:
        raw.world.downlink.with_custom_rrpc.add(raw.device.id)
    raw.world.downlink.answers.append(b"\x2a")
    answer = await raw.call("InvokeThingService", DeviceName="raw1", Identifier="measure", Args='{"times":3}')
    assert msgspec.json.decode(answer["Data"]["Result"]) == {"id": "1", "code": 200, "data": {"value": 42}}
    [message] = raw.world.downlink.sent
    assert message.payload == b"\x07\x03"
    assert message.topic.startswith("/ext/rrpc/" if announced else f"/sys/{raw.product.product_key}/raw1/rrpc/request/")
    assert message.topic.endswith(f"{raw.topic}/down_raw") is announced


async def test_an_answer_the_script_does_not_understand_makes_the_call_fail(raw: RawWorld) -> None:
    await raw.write("function protocolToRawData() { return [1]; }")
    raw.world.downlink.answers.append(b"\x2a")
    answer = await raw.call("InvokeThingService", DeviceName="raw1", Identifier="measure", Args='{"times":3}')
    assert answer["Code"] == "iot.device.InvokeThingServiceFailed"
    assert "26006" in answer["ErrorMessage"]
    assert [output["code"] for _, _, output in await raw.records()] == [26006]
    assert await raw.noted() == [("26006", "the script does not define the function; answer 0x2a")]
