"""Calls that every test of this folder makes."""

from typing import Any

from tests.common.api import Api
from thingplane.devices.service import Device
from thingplane.topology.service import signature


async def refused(api: Api, action: str, /, **parameters: Any) -> str:
    """Return the code of a call that is refused."""
    answer = await api.call(action, **parameters)
    assert answer["Success"] is False
    assert answer["ErrorMessage"]
    return str(answer["Code"])


def item(device: Device, method: str = "hmacSha1", **optional: str) -> dict[str, str]:
    """Return the TopoAddItem of a sub-device, signed; ``optional`` are Timestamp and ClientId."""
    signed = {"productKey": device.product_key, "deviceName": device.name}
    signed.update({name[0].lower() + name[1:]: value for name, value in optional.items()})
    sign = signature(device.secret, method, signed)
    assert sign is not None
    return {
        "ProductKey": device.product_key,
        "DeviceName": device.name,
        "Sign": sign,
        "SignMethod": method,
        **optional,
    }


async def topo(api: Api, gateway: Device, **parameters: Any) -> dict[str, Any]:
    """Return the Data of GetThingTopo."""
    answer = await api.call("GetThingTopo", IotId=gateway.iot_id, **{"PageSize": 50, **parameters})
    assert answer["Success"] is True, answer
    data: dict[str, Any] = answer["Data"]
    return data


async def names(api: Api, gateway: Device, **parameters: Any) -> list[str]:
    """Return the names of a gateway's sub-devices."""
    return [entry["DeviceName"] for entry in (await topo(api, gateway, **parameters))["List"]["deviceInfo"]]
