"""Indexes for device search on the tables of devices and their tags.

Devices of a product are ordered by any of their times, and those of an instance by creation and change, without sorting
all of them; names and nicknames are found without their product, values of tags without their keys.
"""

from sqlalchemy import Index

from thingplane.devices.service import device_tags, devices

Index(None, devices.c.product_id, devices.c.created_at)
Index(None, devices.c.product_id, devices.c.modified_at)
Index(None, devices.c.product_id, devices.c.activated_at)
Index(None, devices.c.instance_id, devices.c.created_at)
Index(None, devices.c.instance_id, devices.c.modified_at)
Index(None, devices.c.instance_id, devices.c.name)
Index(None, devices.c.instance_id, devices.c.nickname)
Index(None, device_tags.c.instance_id, device_tags.c.value, device_tags.c.device_id)
