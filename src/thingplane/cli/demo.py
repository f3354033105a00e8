"""``thingplane demo``: a product to play with."""

from thingplane.cli.fleet import DEMO_NAME, THERMOSTAT, create_product, ensure_devices, find_product
from thingplane.cli.output import print_rows
from thingplane.cli.target import DataDir, target
from thingplane.cloud.client import CloudClient


def demo(*, data_dir: DataDir = None) -> None:
    """Create the product ``demo_thermostat`` with a thing model and one device, and print the device's identity."""
    client = CloudClient(*target(data_dir, None, None, None))
    product_key = find_product(client, DEMO_NAME) or create_product(client, DEMO_NAME, THERMOSTAT)
    identity = ensure_devices(client, product_key, ["thermostat-1"])[0]
    row = {
        "ProductName": DEMO_NAME,
        "ProductKey": identity.product_key,
        "DeviceName": identity.device_name,
        "DeviceSecret": identity.device_secret,
    }
    print_rows([row], list(row))
