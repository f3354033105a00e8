"""Calls as the vendor's cloud SDKs for other languages sent them, signed with ``testid`` and ``testsecret``.

``sdk_requests.json`` has the same call of each SDK and signature: names with every kind of character, in the query or
in the body.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.common.api import Api
from tests.common.clock import FakeClock

from thingplane.cloud import Context, Request, Response
from thingplane.cloud.client import SignedRequest
from thingplane.cloud.form import Form
from thingplane.cloud.registry import Operation

RECORDED: list[dict[str, Any]] = msgspec.json.decode(Path(__file__).with_name("sdk_requests.json").read_bytes())
NAMES = ["a b", "灯+&=%~*'()", "-_.:"]


class NamesRequest(Request):
    ProductKey: str
    DeviceName: list[str]


class NamesResponse(Response):
    Data: NamesRequest


async def echo(_: Context, req: NamesRequest) -> NamesResponse:
    return NamesResponse(Data=req)


OPERATION = Operation("BatchCheckDeviceNames", echo, NamesRequest, NamesResponse, qps=10, module=__name__)


def request_of(recorded: dict[str, Any]) -> SignedRequest:
    return SignedRequest(recorded["method"], recorded["target"], recorded["headers"], recorded["body"].encode())


def api_at(recorded: dict[str, Any]) -> Api:
    """Return a platform at the time of a call."""
    query = Form.parse(recorded["target"].partition("?")[2].encode()).values
    body = Form.parse(recorded["body"].encode()).values
    text = recorded["headers"].get("x-acs-date") or {**query, **body}["Timestamp"]
    clock = FakeClock(int(datetime.fromisoformat(text).timestamp() * 1000))
    return Api(clock=clock, operations={OPERATION.name: OPERATION}, checks_contract=False)


@pytest.mark.parametrize("recorded", RECORDED, ids=[recorded["sdk"] for recorded in RECORDED])
async def test_the_call_of_an_sdk_is_understood_and_answered_in_json(recorded: dict[str, Any]) -> None:
    status, headers, body = await api_at(recorded).send(request_of(recorded))
    assert (status, headers["content-type"]) == (200, "application/json;charset=utf-8"), body
    assert msgspec.json.decode(body)["Data"] == {"ProductKey": "a1B2c3D4e5F", "DeviceName": NAMES}


@pytest.mark.parametrize("recorded", RECORDED, ids=[recorded["sdk"] for recorded in RECORDED])
async def test_a_changed_call_of_an_sdk_is_refused(recorded: dict[str, Any]) -> None:
    request = request_of(recorded)
    changed = request._replace(
        target=request.target.replace("a1B2c3D4e5F", "a1B2c3D4e5G"),
        body=request.body.replace(b"a1B2c3D4e5F", b"a1B2c3D4e5G"),
    )
    assert changed != request
    status, _, body = await api_at(recorded).send(changed)
    assert (status, msgspec.json.decode(body)["Code"]) == (400, "SignatureDoesNotMatch")
