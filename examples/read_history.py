"""Read a device's history with the official Python SDK: `pip install alibabacloud_iot20180120`.

The only thing that differs from the vendor's cloud is the endpoint.
"""

import json
import sys
import time
from pathlib import Path

from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client
from alibabacloud_tea_openapi.models import Config

data_dir = Path(sys.argv[1] if len(sys.argv) > 1 else "data")
ready = json.loads((data_dir / "ready.json").read_text())
key = json.loads(Path(ready["credentials"]).read_text())
client = Client(
    Config(
        access_key_id=key["AccessKeyId"],
        access_key_secret=key["AccessKeySecret"],
        protocol="http",
        endpoint=ready["endpoints"]["api"].removeprefix("http://"),
    )
)

products = client.query_product_list(models.QueryProductListRequest(current_page=1, page_size=200)).body.data
demo = next(item for item in products.list.product_info if item.product_name == "demo_thermostat")
now = int(time.time() * 1000)
answer = client.query_device_property_data(
    models.QueryDevicePropertyDataRequest(
        product_key=demo.product_key,
        device_name="thermostat-1",
        identifier="Temperature",
        start_time=now - 3_600_000,
        end_time=now,
        asc=0,
        page_size=10,
    )
).body
if not answer.success:
    sys.exit(f"{answer.code}: {answer.error_message}")
for point in answer.data.list.property_info:
    print(time.strftime("%H:%M:%S", time.localtime(int(point.time) / 1000)), point.value, "°C")
