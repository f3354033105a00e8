"""Outbound HTTP: requests to addresses that users configure, kept away from what only the node itself may reach."""

from thingplane.outbound.client import AddressRefusedError, Answer, Outbound, OutboundError

__all__ = ["AddressRefusedError", "Answer", "Outbound", "OutboundError"]
