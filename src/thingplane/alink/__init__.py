"""The Alink layer: message envelope, codes, and the table of who handles what devices send."""

from thingplane.alink.handlers import Handler, HandlerTable, Identity, Uplink

__all__ = ["Handler", "HandlerTable", "Identity", "Uplink"]
