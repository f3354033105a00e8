"""What ``demo``, ``simulate`` and ``bench`` share: products and devices made through the cloud API."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from thingplane.cli import CommandError
from thingplane.cloud.client import CallError, CloudClient
from thingplane.simulator.wire import Identity

DEMO_NAME = "demo_thermostat"

THERMOSTAT: Mapping[str, Any] = {
    "properties": [
        {
            "identifier": "Temperature",
            "name": "Room temperature",
            "required": True,
            "rwFlag": "READ_ONLY",
            "dataType": "FLOAT",
            "dataSpecs": {"dataType": "FLOAT", "min": "-20", "max": "60", "step": "0.1", "unit": "°C", "unitName": "C"},
        },
        {
            "identifier": "Humidity",
            "name": "Relative humidity",
            "required": False,
            "rwFlag": "READ_ONLY",
            "dataType": "INT",
            "dataSpecs": {"dataType": "INT", "min": "0", "max": "100", "step": "1", "unit": "%", "unitName": "percent"},
        },
        {
            "identifier": "Target",
            "name": "Target temperature",
            "required": False,
            "rwFlag": "READ_WRITE",
            "dataType": "FLOAT",
            "dataSpecs": {"dataType": "FLOAT", "min": "5", "max": "30", "step": "0.5", "unit": "°C", "unitName": "C"},
        },
        {
            "identifier": "Heating",
            "name": "Heating",
            "required": False,
            "rwFlag": "READ_WRITE",
            "dataType": "BOOL",
            "dataSpecsList": [
                {"dataType": "BOOL", "name": "off", "value": 0},
                {"dataType": "BOOL", "name": "on", "value": 1},
            ],
        },
    ],
    "events": [
        {
            "identifier": "Overheated",
            "name": "Overheated",
            "eventType": "ALERT_EVENT_TYPE",
            "outputdata": [
                {
                    "identifier": "Limit",
                    "name": "Limit",
                    "dataType": "FLOAT",
                    "dataSpecs": {"dataType": "FLOAT", "min": "0", "max": "100", "step": "0.1"},
                    "direction": "PARAM_OUTPUT",
                    "paraOrder": 0,
                }
            ],
        }
    ],
    "services": [
        {
            "identifier": "Reset",
            "name": "Reset",
            "callType": "SYNC",
            "inputParams": [],
            "outputParams": [],
        }
    ],
}


class NotNowError(CommandError):
    """The node cannot be reached, or does not take the call now: the same may work later."""


def call(client: CloudClient, action: str, **parameters: object) -> dict[str, Any]:
    """Call an operation; whatever goes wrong ends the command with one line.

    Raises:
        NotNowError: no connection, too many calls, or a failure of the node.
        CommandError: the call failed.
    """
    try:
        answer = client.call(action, parameters)
    except CallError as error:
        is_transient = error.status >= 500 or error.code.startswith("Throttling")
        raise (NotNowError if is_transient else CommandError)(f"{action}: {error}") from None
    except OSError as error:
        raise NotNowError(f"the node does not answer: {error}") from None
    if not answer.get("Success"):
        raise CommandError(f"{action}: {answer.get('Code')}: {answer.get('ErrorMessage')}")
    return answer


def find_product(client: CloudClient, name: str) -> str | None:
    """Return the ProductKey of a product by its name."""
    page = 1
    while True:
        data = call(client, "QueryProductList", CurrentPage=page, PageSize=200)["Data"]
        for product in data["List"]["ProductInfo"]:
            if product["ProductName"] == name:
                return str(product["ProductKey"])
        if page >= data["PageCount"]:
            return None
        page += 1


def create_product(client: CloudClient, name: str, model: Mapping[str, Any]) -> str:
    """Create a product of direct devices with this thing model, published; return its ProductKey."""
    answer = call(
        client,
        "CreateProduct",
        ProductName=name,
        NodeType=0,
        AliyunCommodityCode="iothub_senior",
        DataFormat=1,
        NetType="WIFI",
        Description="Made by the thingplane command",
    )
    product_key = str(answer["ProductKey"])
    text = msgspec.json.encode({"productKey": product_key, **model}).decode()
    call(client, "CreateThingModel", ProductKey=product_key, ThingModelJson=text)
    call(client, "PublishThingModel", ProductKey=product_key)
    return product_key


def ensure_devices(
    client: CloudClient, product_key: str, names: Sequence[str], progress: Callable[[int], None] = lambda _count: None
) -> list[Identity]:
    """Register the devices that don't exist yet and return all of them with their secrets.

    Args:
        client: calls the cloud API.
        product_key: their product.
        names: DeviceNames.
        progress: called with the number of devices done.
    """
    identities: list[Identity] = []
    for name in names:
        try:
            answer = client.call("RegisterDevice", {"ProductKey": product_key, "DeviceName": name})
        except (CallError, OSError) as error:
            raise CommandError(f"RegisterDevice: {error}") from None
        if answer.get("Code") == "iot.device.AlreadyExistedDeviceName":
            answer = call(client, "QueryDeviceDetail", ProductKey=product_key, DeviceName=name)
        elif not answer.get("Success"):
            raise CommandError(f"RegisterDevice: {answer.get('Code')}: {answer.get('ErrorMessage')}")
        identities.append(Identity(product_key, name, answer["Data"]["DeviceSecret"]))
        progress(len(identities))
    return identities


def published_tsl(client: CloudClient, product_key: str) -> dict[str, Any]:
    """Return the product's published thing model as a decoded TSL."""
    data = call(client, "GetThingModelTslPublished", ProductKey=product_key, Simple=False)["Data"]
    tsl: dict[str, Any] = msgspec.json.decode(data["TslStr"])
    return tsl
