"""Calls of every operation of distribution: a product and a device go to an instance of the node and back."""

import asyncio
from typing import Any, Final

from tests.common.cli import run_on
from tests.common.node import NodeProcess
from tests.e2e.operations.scenario import Call, Scenario
from tests.e2e.raw import PATIENCE_S

THERE: Final = "iot-distributed"


class DistributionScenario(Scenario):
    """Tasks are polled, as the vendor's documentation says."""

    def __init__(self, node: NodeProcess, call: Call) -> None:
        super().__init__(node, call)
        self._node = node

    async def run(self) -> None:
        key = await self._product(0)
        await self._device(key, "every-1")
        product = {"ProductKey": key, "TargetInstanceId": THERE}
        await self._instance()
        await self._finished((await self._call("CreateProductDistributeJob", **product)).text("JobId"), 0)
        listed = await self._call("ListDistributedProduct", ProductKey=key)
        assert listed.text("Data/Info/items/TargetInstanceId") == THERE
        devices = {"ProductKey": key, "DeviceName": ["every-1"], "Strategy": 0}
        targets = [{"TargetInstanceId": THERE}]
        created = await self._call("CreateDeviceDistributeJob", **devices, TargetInstanceConfig=targets)
        job_id = created.text("JobId")
        await self._finished(job_id, 1)
        detail = await self._call("QueryDeviceDistributeDetail", JobId=job_id)
        assert detail.text("File").startswith("http://")
        listed = await self._call("ListDistributedDevice", ProductKey=key, CurrentPage=1, PageSize=10)
        assert listed.text("Data/Info/items/DeviceName") == "every-1"
        assert listed.text("Data/Total") == "1"
        listed = await self._call("ListDeviceDistributeJob", JobId=job_id)
        configuration = "Data/JobInfo/items/TargetInstanceConfigs/targetInstanceConfigs/TargetInstanceId"
        assert listed.text(configuration) == THERE
        await self._call("DeleteDeviceDistributeJob", JobId=job_id)
        self.called -= {"CreateProduct", "RegisterDevice", "QueryProductList"}

    async def _instance(self) -> None:
        """Have another instance, which the node notices within seconds."""
        if await self._is_there():
            return
        await asyncio.to_thread(run_on, self._node, "instance", "add", THERE)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if await self._is_there():
                    return
                await asyncio.sleep(0.05)

    async def _is_there(self) -> bool:
        parameters: dict[str, Any] = {"TargetInstanceId": THERE}
        answer = await self._call_operation("ListDistributedProduct", parameters)
        return answer.text("Success").lower() == "true"

    async def _finished(self, job_id: str, total: int) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                job = await self._call("QueryDeviceDistributeJob", JobId=job_id)
                if job.text("Data/Status") == "2":
                    assert job.text("Data/Total") == str(total)
                    return
                await asyncio.sleep(0.02)
