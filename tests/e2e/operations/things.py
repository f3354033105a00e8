"""Calls of every operation on thing models, on what devices do with them, and on shadows."""

import json
import time
from typing import Any

from aiohttp import ClientSession

from tests.e2e.operations.calls import unique
from tests.e2e.operations.scenario import Scenario
from tests.e2e.raw import RawDevice, connected
from tests.scripts import examples
from thingplane.mqtt.packets import Puback, Publish

HOUR_MS = 3_600_000
RANGE = {"dataType": "INT", "min": "0", "max": "9", "step": "1", "unit": "V"}
LEVEL = {"dataType": "INT", "dataSpecs": RANGE, "rwFlag": "READ_WRITE", "required": False}
FEATURES: dict[str, list[dict[str, Any]]] = {
    "properties": [{**LEVEL, "identifier": "Level", "name": "Level", "extendConfig": '{"customize":{"pin":4}}'}],
    "events": [{"identifier": "Full", "eventName": "Full", "eventType": "INFO_EVENT_TYPE", "outputdata": []}],
    "services": [
        {"identifier": "Fill", "serviceName": "Fill", "callType": "ASYNC", "inputParams": [], "outputParams": []}
    ],
}


class ThingScenario(Scenario):
    """A thing model from its draft to the data of a device."""

    async def run(self) -> None:
        self._key = await self._product(0)
        await self._templates()
        await self._drafts()
        await self._published()
        await self._copies()
        await self._scripts()
        device = await self._device(self._key, "every-1")
        async with connected(self._address, device) as (client, _):
            await self._reports(client)
            await self._commands()
        await self._data()
        await self._originals()
        await self._shadow()
        self.called -= {"CreateProduct", "RegisterDevice"}

    async def _templates(self) -> None:
        listed = await self._call("ListThingTemplates")
        template = await self._call("GetThingTemplate", CategoryKey=listed.text("Data/CategoryKey"))
        assert json.loads(template.text("ThingModelJSON"))["properties"]

    async def _drafts(self) -> None:
        key = {"ProductKey": self._key}
        await self._call("CreateThingModel", **key, ThingModelJson=json.dumps(FEATURES))
        block = {"FunctionBlockId": "Battery", "FunctionBlockName": "Battery_Module"}
        volts = {"properties": [{**LEVEL, "identifier": "Volts", "name": "Volts"}]}
        await self._call("CreateThingModel", **key, **block, ThingModelJson=json.dumps(volts))
        renamed = {"properties": [{**FEATURES["properties"][0], "name": "Fill_level"}]}
        await self._call("UpdateThingModel", **key, Identifier="Level", ThingModelJson=json.dumps(renamed))
        drafted = json.loads((await self._call("QueryThingModel", **key)).text("Data/ThingModelJson"))
        assert [prop["name"] for prop in drafted["properties"]] == ["Fill_level"]
        assert [module["functionBlockId"] for module in drafted["functionBlocks"]] == ["Battery"]

    async def _published(self) -> None:
        key = {"ProductKey": self._key}
        await self._call("PublishThingModel", **key, ModelVersion="1.0", Description="first")
        listed = await self._call("ListThingModelVersion", **key)
        assert listed.text("Data/ModelVersions/ModelVersion") == "1.0"
        version = {**key, "ModelVersion": "1.0"}
        found = await self._call("QueryThingModelPublished", **version)
        assert json.loads(found.text("Data/ThingModelJson"))["_ppk"] == {"version": "1.0", "description": "first"}
        await self._call("GetThingModelTslPublished", **version, Simple=True)
        for action in ("QueryThingModelExtendConfig", "QueryThingModelExtendConfigPublished"):
            answer = await self._call(action, **version)
            assert json.loads(answer.text("Data/Configuration"))["properties"]

    async def _copies(self) -> None:
        other = {"ProductKey": await self._product(0)}
        found = await self._call("GetThingModelTsl", ProductKey=self._key)
        tsl = found.text("Data/TslStr")
        async with ClientSession() as session, session.get(found.text("Data/TslUri")) as answer:
            assert await answer.text() == tsl
        await self._call("ImportThingModelTsl", **other, TslStr=tsl)
        copied = {"SourceProductKey": self._key, "TargetProductKey": other["ProductKey"]}
        await self._call("CopyThingModel", **copied, SourceModelVersion="1.0")
        await self._call("DeleteThingModel", **other, PropertyIdentifier=["Level"], EventIdentifier=["Full"])

    async def _scripts(self) -> None:
        created = await self._call(
            "CreateProduct",
            NodeType=0,
            ProductName=unique("every"),
            AliyunCommodityCode="iothub_senior",
            DataFormat=0,
        )
        script = {"ProductKey": created.text("Data/ProductKey"), "ScriptContent": examples.JAVASCRIPT}
        await self._call("CreateThingScript", **script, ScriptType="JavaScript")
        python = {**script, "ScriptContent": examples.PYTHON}
        await self._call("UpdateThingScript", **python, ScriptType="Python_27")
        found = await self._call("GetThingScript", ProductKey=script["ProductKey"])
        assert found.text("Data/ScriptType") == "Python_27"

    async def _reports(self, client: RawDevice) -> None:
        for path, params in (("property", {"Level": 5}), ("Full", {"value": {}})):
            topic = f"/sys/{self._key}/every-1/thing/event/{path}/post"
            content: dict[str, Any] = {"id": "1", "version": "1.0", "params": params}
            client.send(Publish(topic, json.dumps(content).encode(), 1, packet_id=1))
            while not isinstance(await client.receive(), Puback):
                pass

    @property
    def _names(self) -> dict[str, str]:
        return {"ProductKey": self._key, "DeviceName": "every-1"}

    async def _commands(self) -> None:
        several = {"ProductKey": self._key, "DeviceName": ["every-1"]}
        sent = await self._call("SetDeviceProperty", **self._names, Items='{"Level":6}', Qos=1)
        assert sent.text("Data/MessageId").isdecimal()
        await self._call("SetDevicesProperty", **several, Items='{"Level":6}', Qos=0)
        await self._call("InvokeThingService", **self._names, Identifier="Fill", Args="{}", Qos=1)
        await self._call("InvokeThingsService", **several, Identifier="Fill", Args="{}", Qos=0)
        wanted = await self._call(
            "SetDeviceDesiredProperty", **self._names, Items='{"Level":7}', Versions='{"Level":0}'
        )
        assert json.loads(wanted.text("Data/Versions")) == {"Level": 1}
        desired = await self._call("QueryDeviceDesiredProperty", **self._names, Identifier=["Level"])
        assert desired.text("Data/List/DesiredPropertyInfo/Value") == "7"

    def _span(self) -> dict[str, Any]:
        now = int(time.time() * 1000)
        return {**self._names, "StartTime": now - HOUR_MS, "EndTime": now + HOUR_MS, "Asc": 1, "PageSize": 10}

    async def _data(self) -> None:
        status = await self._call("QueryDevicePropertyStatus", **self._names)
        assert status.text("Data/List/PropertyStatusInfo/Value") == "5"
        values = await self._call("QueryDevicePropertyData", **self._span(), Identifier="Level")
        assert values.text("Data/List/PropertyInfo/Value") == "5"
        several = await self._call("QueryDevicePropertiesData", **self._span(), Identifier=["Level"])
        assert several.text("PropertyDataInfos/PropertyDataInfo/List/PropertyInfo/Value") == "5"
        await self._events("QueryDeviceEventData")
        await self._calls("QueryDeviceServiceData")

    async def _originals(self) -> None:
        status = await self._call("QueryDeviceOriginalPropertyStatus", **self._names, Asc=1, PageSize=10)
        assert status.text("Data/List/PropertyStatusDataInfo/Value") == "5"
        values = await self._call("QueryDeviceOriginalPropertyData", **self._span(), Identifier="Level")
        assert values.text("Data/List/PropertyInfo/Value") == "5"
        await self._events("QueryDeviceOriginalEventData")
        await self._calls("QueryDeviceOriginalServiceData")

    async def _events(self, action: str) -> None:
        answer = await self._call(action, **self._span(), Identifier="Full")
        assert answer.text("Data/List/EventInfo/EventType") == "info"

    async def _calls(self, action: str) -> None:
        answer = await self._call(action, **self._span(), Identifier="set")
        assert json.loads(answer.text("Data/List/ServiceInfo/InputData")) == {"Level": 6}

    async def _shadow(self) -> None:
        message = json.dumps({"method": "update", "state": {"desired": {"color": "red"}}, "version": 1})
        await self._call("UpdateDeviceShadow", **self._names, ShadowMessage=message, DeltaUpdate=True)
        shadow = await self._call("GetDeviceShadow", **self._names)
        assert json.loads(shadow.text("ShadowMessage"))["state"] == {"desired": {"color": "red"}}
