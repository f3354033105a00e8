"""A product with a thing model and a device, made with the official cloud SDK."""

import json
import uuid
from pathlib import Path
from typing import Any

from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

MODEL: dict[str, Any] = {
    "properties": [
        {
            "identifier": "Temp",
            "name": "Temperature",
            "required": True,
            "rwFlag": "READ_ONLY",
            "dataType": "FLOAT",
            "dataSpecs": {"dataType": "FLOAT", "min": "-40", "max": "85", "step": "0.1", "unit": "°C"},
        },
        {
            "identifier": "Switch",
            "name": "Switch",
            "required": False,
            "rwFlag": "READ_WRITE",
            "dataType": "BOOL",
            "dataSpecsList": [
                {"dataType": "BOOL", "name": "off", "value": 0},
                {"dataType": "BOOL", "name": "on", "value": 1},
            ],
        },
        {
            "identifier": "Label",
            "name": "Label",
            "required": False,
            "rwFlag": "READ_WRITE",
            "dataType": "TEXT",
            "dataSpecs": {"dataType": "TEXT", "length": 64},
        },
    ],
    "events": [
        {
            "identifier": "Alarm",
            "name": "Alarm",
            "eventType": "ALERT_EVENT_TYPE",
            "outputdata": [
                {
                    "identifier": "Reason",
                    "name": "Reason",
                    "dataType": "INT",
                    "dataSpecs": {"dataType": "INT", "min": "0", "max": "9", "step": "1"},
                    "direction": "PARAM_OUTPUT",
                    "paraOrder": 0,
                }
            ],
        }
    ],
    "services": [
        {
            "identifier": service,
            "name": service,
            "callType": call_type,
            "inputParams": [
                {
                    "identifier": "Delay",
                    "name": "Delay",
                    "dataType": "INT",
                    "dataSpecs": {"dataType": "INT", "min": "0", "max": "60", "step": "1"},
                    "direction": "PARAM_INPUT",
                    "paraOrder": 0,
                }
            ],
            "outputParams": [
                {
                    "identifier": "Count",
                    "name": "Count",
                    "dataType": "INT",
                    "dataSpecs": {"dataType": "INT", "min": "0", "max": "1000", "step": "1"},
                    "direction": "PARAM_OUTPUT",
                    "paraOrder": 0,
                }
            ],
        }
        for service, call_type in (("Restart", "ASYNC"), ("Measure", "SYNC"))
    ],
}


def create_product(cloud: Client) -> str:
    """Create and publish a product with ``MODEL`` and return its ProductKey."""
    request = models.CreateProductRequest(
        node_type=0,
        product_name=f"sensor_{uuid.uuid4().hex[:16]}",
        aliyun_commodity_code="iothub_senior",
        data_format=1,
        net_type="WIFI",
        validate_type=1,
    )
    created = cloud.create_product(request).body
    assert created.success, created
    text = json.dumps({"productKey": created.product_key, **MODEL})
    modelled = cloud.create_thing_model(
        models.CreateThingModelRequest(product_key=created.product_key, thing_model_json=text)
    ).body
    assert modelled.success, modelled
    published = cloud.publish_thing_model(models.PublishThingModelRequest(product_key=created.product_key)).body
    assert published.success, published
    return str(created.product_key)


def register_device(cloud: Client, product_key: str, name: str) -> dict[str, str]:
    """Register a device and return its identity as documented names."""
    answer = cloud.register_device(models.RegisterDeviceRequest(product_key=product_key, device_name=name)).body
    assert answer.success, answer
    return {"ProductKey": product_key, "DeviceName": name, "DeviceSecret": answer.data.device_secret}


def write_tsl(cloud: Client, product_key: str, file: Path) -> Path:
    """Save the published TSL, which the device SDK wants as a file."""
    answer = cloud.get_thing_model_tsl_published(
        models.GetThingModelTslPublishedRequest(product_key=product_key, simple=False)
    ).body
    assert answer.success, answer
    file.write_text(answer.data.tsl_str)
    return file
