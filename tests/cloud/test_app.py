"""Calls through the whole application."""

from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode
from xml.etree import ElementTree as ET

import msgspec
import pytest
import structlog
from tests.cloud.sample import OPERATIONS
from tests.common.api import ACCOUNT_ID, Api
from tests.common.clock import FakeClock

from thingplane.cloud.app import MAX_PARAMETERS, MAX_QUERY_BYTES
from thingplane.cloud.client import CallError, SignedRequest
from thingplane.cloud.form import Form
from thingplane.cloud.http import Message, Receive, Scope, Send, respond
from thingplane.cloud.policy import Policy
from thingplane.cloud.quota import Quota
from thingplane.cloud.signature import rpc


@pytest.fixture(params=["rpc", "acs3"])
def api(request: pytest.FixtureRequest, clock: FakeClock) -> Api:
    scheme: Literal["rpc", "acs3"] = request.param
    return Api(clock=clock, operations=OPERATIONS, scheme=scheme, max_body_bytes=5000)


async def failure(api: Api, action: str, **parameters: Any) -> CallError:
    with pytest.raises(CallError) as caught:
        await api.call(action, **parameters)
    return caught.value


async def test_an_answer_has_request_id_success_and_the_fields(api: Api) -> None:
    status, headers, body = await api.send(api.signer.sign("QueryProduct", {"ProductKey": "a1"}))
    assert status == 200
    assert headers["content-type"] == "application/json;charset=utf-8"
    assert headers["content-length"] == str(len(body))
    text = body.decode()
    assert text == (
        f'{{"RequestId":"{headers["x-acs-request-id"]}","Success":true,'
        '"Data":{"ProductKey":"a1","ProductName":"iot-default","GmtCreate":7,"Owner":true}}'
    )


async def test_an_operation_without_fields_answers_request_id_and_success(api: Api) -> None:
    answer = await api.call("CreateProductTags", ProductKey="a1", ProductTag=[{"TagKey": "k", "TagValue": "v"}])
    assert set(answer) == {"RequestId", "Success"}


async def test_a_documented_failure_is_an_answer(api: Api) -> None:
    answer = await api.call("QueryProduct", ProductKey="missing")
    assert answer["Success"] is False
    assert answer["Code"] == "iot.prod.NotExistedProduct"
    assert answer["ErrorMessage"] == "There is no product missing."


async def test_a_violated_constraint_is_the_documented_failure(api: Api) -> None:
    assert (await api.call("QueryProduct", ProductKey=""))["Code"] == "iot.prod.NullProductKey"
    assert (await api.call("QueryProduct", ProductKey="a-1"))["Code"] == "iot.prod.InvalidFormattedProductkey"


async def test_an_absent_mandatory_parameter_is_refused_at_the_gateway(api: Api) -> None:
    error = await failure(api, "QueryProduct")
    assert (error.status, error.code) == (400, "MissingProductKey")
    assert error.message == "ProductKey is mandatory for this action."
    assert error.request_id


async def test_an_unexpected_failure_is_logged_with_its_request_id(api: Api) -> None:
    with structlog.testing.capture_logs() as logs:
        answer = await api.call("QueryProduct", ProductKey="broken")
    assert (answer["Success"], answer["Code"]) == (False, "iot.system.SystemException")
    assert "on fire" not in answer["ErrorMessage"]
    assert [(log["request_id"], log["operation"]) for log in logs] == [(answer["RequestId"], "QueryProduct")]


async def test_a_documented_operation_that_is_not_implemented_says_so(api: Api) -> None:
    answer = await api.call("CreateDeviceDistributeJob")
    assert (answer["Success"], answer["Code"]) == (False, "iot.common.APINotSupportedInInstance")


async def test_an_unknown_operation_is_refused_at_the_gateway(api: Api) -> None:
    error = await failure(api, "MakeCoffee")
    assert (error.status, error.code) == (404, "InvalidAction.NotFound")


async def test_instances_are_addressed_by_id(api: Api) -> None:
    for parameters, name in (
        ({}, "iot-default"),
        ({"IotInstanceId": ""}, "iot-default"),
        ({"IotInstanceId": "iot-other"}, "iot-other"),
    ):
        assert (await api.call("QueryProduct", ProductKey="a1", **parameters))["Data"]["ProductName"] == name
    answer = await api.call("QueryProduct", ProductKey="a1", IotInstanceId="iot-unknown")
    assert (answer["Success"], answer["Code"]) == (False, "iot.system.InstanceNotFound")


@pytest.mark.parametrize("method", ["PUT", "DELETE", "HEAD", "PATCH", "OPTIONS"])
async def test_other_methods_are_refused(api: Api, method: str) -> None:
    status, headers, body = await api.send(SignedRequest(method, "/", {"host": "h", "accept": "application/json"}, b""))
    assert (status, headers["x-acs-request-id"]) != (200, "")
    assert status == 405
    assert b'"Code":"UnsupportedHTTPMethod"' in body
    assert b'"HostId":"h"' in body


async def test_a_body_that_is_too_long_is_refused(api: Api) -> None:
    error = await failure(api, "QueryProduct", ProductKey="a" * 5000)
    assert (error.status, error.code) == (413, "RequestEntityTooLarge")


async def test_a_query_that_is_too_long_is_refused(api: Api) -> None:
    target = "/?Format=JSON&x=" + "a" * MAX_QUERY_BYTES
    assert (await api.send(SignedRequest("GET", target, {}, b"")))[0] == 414


async def test_too_many_parameters_are_refused(clock: FakeClock) -> None:
    api = Api(clock=clock, operations=OPERATIONS)
    request = SignedRequest("POST", "/", {"accept": "application/json"}, b"&" * (MAX_PARAMETERS + 1))
    assert (await api.send(request))[0] == 413


async def test_parameters_that_are_not_utf8_are_refused(api: Api) -> None:
    status, _, body = await api.send(SignedRequest("GET", "/?a=%FF", {"accept": "application/json"}, b""))
    assert status == 400
    assert b'"Code":"InvalidParameter"' in body


@pytest.mark.parametrize(("query", "start"), [("Format=json&a=%FF", b"{"), ("a=%FF&Format=JSON2", b"<?xml")])
async def test_refused_parameters_are_answered_in_the_format_they_name(api: Api, query: str, start: bytes) -> None:
    status, _, body = await api.send(SignedRequest("GET", f"/?{query}", {}, b""))
    assert status == 400
    assert body.startswith(start)


@pytest.mark.parametrize(
    ("target", "code"), [("/?Version=2017-04-20", "MissingAccessKeyId"), ("/data/api.json/?x", "MissingAccessKeyId")]
)
async def test_any_path_takes_calls_and_unsigned_ones_are_refused(api: Api, target: str, code: str) -> None:
    status, headers, body = await api.send(SignedRequest("GET", target, {"host": "h:1"}, b""))
    assert status == 400
    assert headers["content-type"] == "text/xml;charset=utf-8"
    error = ET.fromstring(body)
    assert error.tag == "Error"
    assert error.findtext("Code") == code
    assert error.findtext("HostId") == "h:1"
    assert error.findtext("RequestId") == headers["x-acs-request-id"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"Version": "2017-04-20"}, "InvalidVersion"),
        ({"Version": ""}, "MissingVersion"),
        ({"Action": ""}, "MissingAction"),
    ],
)
async def test_version_and_operation_are_mandatory(clock: FakeClock, change: dict[str, str], code: str) -> None:
    api = Api(clock=clock, operations=OPERATIONS)
    signed = api.signer.sign("QueryProduct", {}).body.decode()
    values = {**dict(parse_qsl(signed)), **change}
    del values["Signature"]
    text = rpc.string_to_sign("POST", Form.parse(urlencode(values).encode()))
    values["Signature"] = rpc.sign(text, "testsecret")
    status, _, body = await api.send(SignedRequest("POST", "/", {}, urlencode(values).encode()))
    assert (status, msgspec.json.decode(body)["Code"]) == (400, code)


@pytest.mark.parametrize(("wanted", "form"), [("json", "JSON"), ("JSON", "JSON"), ("xml", "XML"), ("XML", "XML")])
async def test_the_format_parameter_chooses_the_format(clock: FakeClock, wanted: str, form: str) -> None:
    api = Api(clock=clock, operations=OPERATIONS, scheme="acs3")
    _, headers, body = await api.send(api.signer.sign("QueryProduct", {"ProductKey": "a1", "Format": wanted}))
    assert headers["content-type"].startswith("application/json" if form == "JSON" else "text/xml")
    assert body.startswith(b"{" if form == "JSON" else b"<?xml")


async def test_another_format_is_refused(clock: FakeClock) -> None:
    api = Api(clock=clock, operations=OPERATIONS, scheme="acs3")
    assert (await failure(api, "QueryProduct", ProductKey="a1", Format="YAML")).code == "InvalidParameter"


async def test_answers_in_xml_have_the_operation_as_root(clock: FakeClock) -> None:
    api = Api(clock=clock, operations=OPERATIONS, scheme="acs3")
    request = api.signer.sign("QueryProduct", {"ProductKey": "missing", "Format": "XML"})
    answer = ET.fromstring((await api.send(request))[2])
    assert answer.tag == "QueryProductResponse"
    assert answer.findtext("Success") == "false"
    assert answer.findtext("Code") == "iot.prod.NotExistedProduct"


async def test_the_documented_number_of_calls_a_second_is_kept(clock: FakeClock) -> None:
    api = Api(clock=clock, operations=OPERATIONS, quota=Quota(clock))
    for _ in range(3):
        await api.call("QueryProduct", ProductKey="a1")
    error = await failure(api, "QueryProduct", ProductKey="a1")
    assert (error.status, error.code) == (400, "Throttling.User")
    await api.call("CreateProductTags", ProductKey="a1", **{"ProductTag.1.TagKey": "k"})
    clock.advance(1)
    await api.call("QueryProduct", ProductKey="a1")


async def test_a_policy_decides_what_a_user_may_do(clock: FakeClock) -> None:
    policy = Policy.parse(
        '{"Version": "1", "Statement": [{"Effect": "Allow", "Action": "iot:Query*", "Resource": '
        f'["acs:iot:cn-shanghai:{ACCOUNT_ID}:product/a1*", "acs:iot:*:*:instance/*"]}}]}}'
    )
    api = Api(clock=clock, operations=OPERATIONS, policy=policy)
    assert (await api.call("QueryProduct", ProductKey="a1x"))["Success"]
    for action, key in (("QueryProduct", "b1"), ("CreateProductTags", "a1")):
        answer = await api.call(action, ProductKey=key)
        assert (answer["Success"], answer["Code"]) == (False, "iot.common.RamActionPermissionDeny")


async def test_a_policy_is_asked_before_parameters_are_looked_at(clock: FakeClock) -> None:
    api = Api(clock=clock, operations=OPERATIONS, policy=Policy())
    assert (await api.call("QueryProduct"))["Code"] == "iot.common.RamActionPermissionDeny"


async def test_every_answer_of_an_operation_is_observed(api: Api) -> None:
    await api.call("QueryProduct", ProductKey="a1")
    await api.call("QueryProduct", ProductKey="missing")
    assert [(name, answer["Success"]) for name, answer in api.answers] == [
        ("QueryProduct", True),
        ("QueryProduct", False),
    ]
    assert api.answers[0][1]["Data"] == {
        "ProductKey": "a1",
        "ProductName": "iot-default",
        "GmtCreate": 7,
        "Owner": True,
    }


async def test_other_applications_are_found_by_path(clock: FakeClock) -> None:
    def saying(text: str) -> Any:
        async def app(_scope: Scope, _receive: Receive, send: Send) -> None:
            await respond(send, 200, b"text/plain", text.encode())

        return app

    routes = {"/healthz": saying("well"), "/files/": saying("file"), "/files/big/": saying("big file")}
    api = Api(clock=clock, operations=OPERATIONS, routes=routes)
    for target, text in (("/healthz", b"well"), ("/files/a?b=c", b"file"), ("/files/big/a", b"big file")):
        assert (await api.send(SignedRequest("GET", target, {}, b"")))[2] == text
    for target in ("/healthz/x", "/files"):
        assert b"MissingAccessKeyId" in (await api.send(SignedRequest("GET", target, {}, b"")))[2]


async def test_a_client_that_leaves_gets_no_answer(api: Api) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await api.app({"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}, receive, send)
    assert sent == []


async def test_a_body_in_parts_is_put_together(clock: FakeClock) -> None:
    api = Api(clock=clock, operations=OPERATIONS)
    request = api.signer.sign("QueryProduct", {"ProductKey": "a1"})
    parts = [request.body[:10], request.body[10:]]
    sent: list[Message] = []

    async def receive() -> Message:
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: Scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    await api.app(scope, receive, send)
    assert sent[0]["status"] == 200
