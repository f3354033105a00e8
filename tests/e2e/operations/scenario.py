"""Calls of every operation on products, devices, groups and topics, each with what it needs to succeed."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from tests.common.node import NodeProcess
from tests.e2e.operations.calls import unique
from tests.e2e.operations.uploading import Uploader, content_of
from tests.e2e.raw import PATIENCE_S, connected
from thingplane.simulator.wire import Identity
from thingplane.topology.service import signature

REFUSED: Final = {"TransformClientId": "iot.common.InvalidFormattedParameter"}
"""What a device without client ids cannot answer otherwise."""


class Answer(Protocol):
    """An answer in any format."""

    def text(self, path: str) -> str:
        """Return a value as text; the path is names with slashes between them."""


Call = Callable[[str, dict[str, Any]], Awaitable[Answer]]


class Scenario:
    """Makes the calls by way of ``call``, with things of its own."""

    def __init__(self, node: NodeProcess, call: Call) -> None:
        self._address = node.address("mqtt")
        self._call_operation = call
        self.called: set[str] = set()

    async def _call(self, action: str, **parameters: Any) -> Answer:
        answer = await self._call_operation(action, parameters)
        success = answer.text("Success").lower()
        if action in REFUSED:
            code = answer.text("Code")
            assert (success, code) == ("false", REFUSED[action]), f"{action}: {success} {code}"
        else:
            assert success == "true", f"{action}: {answer.text('Code')} {answer.text('ErrorMessage')}"
        self.called.add(action)
        return answer

    async def run(self) -> None:
        key = await self._product(0)
        await self._product_tags(key)
        await self._batch(key)
        device = await self._device(key, "every-1")
        await self._device_queries(key, device)
        await self._topology(key, device)
        await self._groups(key)
        await self._topics(key, device)
        iot_id = (await self._call("QueryDeviceInfo", ProductKey=key, DeviceName="every-1")).text("Data/IotId")
        for action in ("DisableThing", "EnableThing", "ResetThing", "DeleteDevice"):
            await self._call(action, IotId=iot_id)
        await self._call("DeleteProduct", ProductKey=await self._product(0))

    async def _product(self, node_type: int) -> str:
        created = await self._call(
            "CreateProduct",
            NodeType=node_type,
            ProductName=unique("every"),
            AliyunCommodityCode="iothub_senior",
            DataFormat=1,
        )
        return created.text("Data/ProductKey")

    async def _device(self, product_key: str, name: str) -> Identity:
        registered = await self._call("RegisterDevice", ProductKey=product_key, DeviceName=name, Nickname="Every_1")
        return Identity(product_key, name, registered.text("Data/DeviceSecret"))

    async def _product_tags(self, key: str) -> None:
        await self._call("QueryProduct", ProductKey=key)
        await self._call("QueryProductList", CurrentPage=1, PageSize=10)
        await self._call("UpdateProduct", ProductKey=key, ProductName=unique("renamed"), Description="all")
        await self._call(
            "UpdateProductFilterConfig", ProductKey=key, PropertyTimestampFilter=True, PropertyValueFilter=True
        )
        await self._call("ReleaseProduct", ProductKey=key)
        await self._call("CancelReleaseProduct", ProductKey=key)
        tags = [{"TagKey": "room", "TagValue": "101"}]
        await self._call("CreateProductTags", ProductKey=key, ProductTag=tags)
        await self._call("UpdateProductTags", ProductKey=key, ProductTag=tags)
        await self._call("ListProductTags", ProductKey=key)
        await self._call("ListProductByTags", ProductTag=tags)
        await self._call("DeleteProductTags", ProductKey=key, ProductTagKey=["room"])

    async def _batch(self, key: str) -> None:
        await self._call("BatchRegisterDevice", ProductKey=key, Count=2)
        checked = await self._call("BatchCheckDeviceNames", ProductKey=key, DeviceName=["batch-1", "batch-2"])
        application = {"ProductKey": key, "ApplyId": int(checked.text("Data/ApplyId"))}
        await self._until(application, "CHECK_SUCCESS")
        await self._call("BatchRegisterDeviceWithApplyId", **application)
        await self._until(application, "CREATE_SUCCESS")
        await self._call("QueryPageByApplyId", ApplyId=application["ApplyId"])

    async def _until(self, application: dict[str, Any], wanted: str) -> None:
        """Poll the state of an application, which has no acknowledgement to wait for."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                state = (await self._call("QueryBatchRegisterDeviceStatus", **application)).text("Data/Status")
                if state == wanted:
                    return
                assert not state.endswith("_FAILED"), state
                await asyncio.sleep(0.02)

    async def _device_queries(self, key: str, device: Identity) -> None:
        names = {"ProductKey": key, "DeviceName": device.device_name}
        info = await self._call("QueryDeviceInfo", **names)
        assert info.text("Data/DeviceSecret") == device.device_secret
        one = {"IotId": info.text("Data/IotId")}
        for action in ("QueryDeviceDetail", "GetDeviceStatus", "QueryClientIds", "DeleteClientIds"):
            await self._call(action, **one)
        await self._call("TransformClientId", **one, ClientId="unknown")
        several = {"ProductKey": key, "DeviceName": [device.device_name]}
        await self._call("BatchQueryDeviceDetail", **several)
        await self._call("BatchGetDeviceState", **several)
        await self._call("QueryDevice", ProductKey=key)
        await self._call("QueryDeviceByStatus", ProductKey=key, Status=0)
        await self._call("QueryDeviceStatistics", ProductKey=key)
        await self._call("BatchUpdateDeviceNickname", DeviceNicknameInfo=[{**one, "Nickname": "Every_one"}])
        await self._call("SaveDeviceProp", **one, Props='{"room":"101"}')
        await self._call("QueryDeviceProp", **one)
        await self._call("QueryDeviceByTags", Tag=[{"TagKey": "room", "TagValue": "101"}])
        await self._call("QueryDeviceBySQL", SQL=f'SELECT * FROM device WHERE product_key = "{key}"')
        await self._call("DeleteDeviceProp", **one, PropKey="room")
        await self._call("ListOTAModuleVersionsByDevice", **one, CurrentPage=1, PageSize=10)
        async with connected(self._address, device) as (client, _):
            await Uploader(client, device).upload("every.log", content_of(5000))
        listed = await self._call("QueryDeviceFileList", **one)
        file_id = listed.text("Data/FileSummary/FileId")
        await self._call("QueryDeviceFile", **one, FileId=file_id)
        await self._call("DeleteDeviceFile", **one, FileId=file_id)

    async def _topology(self, key: str, device: Identity) -> None:
        gateway = await self._device(await self._product(1), "gateway-1")
        signed = {"productKey": key, "deviceName": device.device_name}
        item = {
            "ProductKey": key,
            "DeviceName": device.device_name,
            "SignMethod": "hmacSha1",
            "Sign": signature(device.device_secret, "hmacSha1", signed),
        }
        named = {"GwProductKey": gateway.product_key, "GwDeviceName": gateway.device_name}
        async with connected(self._address, gateway):
            await self._call("NotifyAddThingTopo", **named, DeviceListStr=json.dumps([signed]))
        await self._call("BatchAddThingTopo", **named, TopoAddItem=[item])
        await self._call("GetThingTopo", ProductKey=gateway.product_key, DeviceName="gateway-1", PageNo=1, PageSize=10)
        sub = {"ProductKey": key, "DeviceName": device.device_name}
        await self._call("GetGatewayBySubDevice", **sub)
        await self._call("RemoveThingTopo", **sub)

    async def _groups(self, key: str) -> None:
        created = await self._call("CreateDeviceGroup", GroupName=unique("every"), GroupDesc="all")
        group = {"GroupId": created.text("Data/GroupId")}
        child = await self._call("CreateDeviceGroup", GroupName=unique("every"), SuperGroupId=group["GroupId"])
        await self._call("QuerySuperDeviceGroup", GroupId=child.text("Data/GroupId"))
        await self._call("DeleteDeviceGroup", GroupId=child.text("Data/GroupId"))
        await self._call("UpdateDeviceGroup", **group, GroupDesc="changed")
        device = {"ProductKey": key, "DeviceName": "every-1"}
        await self._call("BatchAddDeviceGroupRelations", **group, Device=[device])
        await self._call("QueryDeviceGroupInfo", **group)
        await self._call("QueryDeviceGroupList", CurrentPage=1, PageSize=10)
        await self._call("QueryDeviceListByDeviceGroup", **group)
        await self._call("QueryDeviceGroupByDevice", **device)
        await self._call("BatchDeleteDeviceGroupRelations", **group, Device=[device])
        await self._call("SetDeviceGroupTags", **group, TagString='[{"tagKey":"room","tagValue":"101"}]')
        await self._call("QueryDeviceGroupTagList", **group)
        await self._call("QueryDeviceGroupByTags", Tag=[{"TagKey": "room", "TagValue": "101"}])

    async def _topics(self, key: str, device: Identity) -> None:
        category = {"TopicShortName": "submit", "Operation": "ALL"}
        created = await self._call("CreateProductTopic", ProductKey=key, **category)
        topic_id = created.text("TopicId")
        await self._call("UpdateProductTopic", TopicId=topic_id, **category)
        await self._call("QueryProductTopic", ProductKey=key)
        async with connected(self._address, device):
            route = {
                "SrcTopic": f"/{key}/{device.device_name}/user/submit",
                "DstTopic": [f"/{key}/{device.device_name}/user/get"],
            }
            await self._call("CreateTopicRouteTable", **route)
        await self._call("QueryTopicRouteTable", Topic=route["SrcTopic"])
        await self._call("QueryTopicReverseRouteTable", Topic=route["DstTopic"][0])
        await self._call("DeleteTopicRouteTable", **route)
        await self._call("DeleteProductTopic", TopicId=topic_id)
