"""What a device is when it is made."""

from typing import Any

from thingplane import ids
from thingplane.products.service import Product


def new_device(product: Product, name: str | None, nickname: str | None, now: int) -> dict[str, Any]:
    """Return the columns of a new device of a product, without its key.

    Args:
        product: what it is one of.
        name: DeviceName; None for one of the platform's choice.
        nickname: None for none.
        now: epoch milliseconds.
    """
    return {
        "iot_id": ids.iot_id(),
        "instance_id": product.instance_id,
        "product_id": product.id,
        "product_key": product.product_key,
        "name": ids.device_name() if name is None else name,
        "secret": ids.device_secret(),
        "nickname": nickname,
        "node_type": product.node_type,
        "enabled": True,
        "created_at": now,
        "modified_at": now,
        "switched_at": None,
        "activated_at": None,
        "online_at": None,
        "offline_at": None,
        "ip": None,
    }
