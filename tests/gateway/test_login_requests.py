"""Whatever a gateway sends, it is read or it is malformed: nothing else happens."""

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.gateway.support import FakeDevice
from thingplane.alink import SignedItem, Uplink
from thingplane.gateway.login_requests import MalformedError, read_batch_login, read_login, read_logout

NAMES = st.sampled_from(
    ["productKey", "deviceName", "sign", "signMethod", "signmethod", "clientId", "deviceList", "cleanSession"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["hmacSha1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)


def uplink(payload: bytes) -> Uplink:
    return Uplink(FakeDevice(1, node_type=1), "/ext/session/a/b/combine/login", "", payload, 0)


def outcome(read: Any, payload: bytes) -> Any:
    try:
        return read(uplink(payload))
    except MalformedError:
        return None


@given(st.dictionaries(NAMES, VALUES) | VALUES)
@example({"productKey": "a", "deviceName": "b", "sign": "\ud800", "signMethod": "hmacSha1"})
@example({"productKey": "a\x00", "deviceName": "+/#", "sign": "ä", "signMethod": "hmacSha1"})
def test_any_params(params: Any) -> None:
    payload = json.dumps({"id": "1", "params": params}).encode()
    for read in (read_login, read_batch_login):
        items = outcome(read, payload)
        for (product_key, name), item in (items or {}).items():
            assert isinstance(item, SignedItem)
            assert (item.fields["productKey"], item.fields["deviceName"]) == (product_key, name)
            assert item.is_signed("secret") is False
    names = outcome(read_logout, payload)
    assert names is None or all(product_key and name for product_key, name in names)


@given(st.binary(max_size=60) | st.text('{}[]":,abc1', max_size=60).map(str.encode))
def test_any_payload(payload: bytes) -> None:
    for read in (read_login, read_batch_login, read_logout):
        outcome(read, payload)
