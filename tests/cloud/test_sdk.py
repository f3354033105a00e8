"""The official cloud SDK, unmodified, against a server over a real socket."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client
from alibabacloud_tea_openapi.exceptions import ClientException
from alibabacloud_tea_openapi.models import Config
from tests.cloud.sample import OPERATIONS
from tests.common.api import Api
from tests.common.clock import FakeClock

from thingplane.clock import SystemClock
from thingplane.cloud.server import ApiServer


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = ApiServer(Api(clock=FakeClock(SystemClock().now_ms()), operations=OPERATIONS).app)
    yield await server.start("127.0.0.1", 0)
    await server.stop()


@pytest.fixture(params=[None, "v2"], ids=["header signing", "query signing"])
def client(request: pytest.FixtureRequest, port: int) -> Any:
    config = Config(access_key_id="testid", access_key_secret="testsecret", region_id="cn-shanghai")
    config.endpoint = f"127.0.0.1:{port}"
    config.protocol = "http"
    config.signature_algorithm = request.param
    return Client(config)


async def test_an_answer_is_parsed_into_the_models(client: Any) -> None:
    request = models.QueryProductRequest(product_key="a1", iot_instance_id="iot-other")
    body = (await asyncio.to_thread(client.query_product, request)).body
    assert body.success is True
    assert (body.data.product_key, body.data.product_name, body.data.owner) == ("a1", "iot-other", True)
    assert body.data.gmt_create == 7
    assert body.request_id


async def test_a_documented_failure_is_an_ordinary_result(client: Any) -> None:
    request = models.QueryProductRequest(product_key="missing")
    body = (await asyncio.to_thread(client.query_product, request)).body
    assert (body.success, body.code) == (False, "iot.prod.NotExistedProduct")
    assert body.error_message == "There is no product missing."


async def test_a_failure_of_the_gateway_is_an_exception(client: Any) -> None:
    with pytest.raises(ClientException) as caught:
        await asyncio.to_thread(client.query_product, models.QueryProductRequest())
    assert caught.value.code == "MissingProductKey"
    assert caught.value.status_code == 400


async def test_lists_of_structs_and_any_characters_arrive(client: Any) -> None:
    tags = [
        models.CreateProductTagsRequestProductTag(tag_key="a b", tag_value="+/=~*&% \u706f"),
        models.CreateProductTagsRequestProductTag(tag_key="k", tag_value="gone"),
    ]
    request = models.CreateProductTagsRequest(product_key="a1", product_tag=tags)
    body = (await asyncio.to_thread(client.create_product_tags, request)).body
    assert body.error_message == "a b=+/=~*&% \u706f k=gone"


async def test_parameters_in_the_form_body_arrive(client: Any) -> None:
    payload = base64.b64encode(bytes(range(256)) * 16).decode()
    request = models.RRpcRequest(product_key="a1", device_name="d", request_base_64byte=payload, timeout=1000)
    body = (await asyncio.to_thread(client.r_rpc, request)).body
    assert body.success is True
    assert body.payload_base_64byte == payload
    assert body.message_id == 2**62


async def test_a_wrong_secret_is_refused(client: Any, port: int) -> None:
    config = Config(access_key_id="testid", access_key_secret="wrong", endpoint=f"127.0.0.1:{port}", protocol="http")
    config.signature_algorithm = client._signature_algorithm
    with pytest.raises(ClientException) as caught:
        await asyncio.to_thread(Client(config).query_product, models.QueryProductRequest(product_key="a1"))
    assert caught.value.code == "SignatureDoesNotMatch"
