"""Passing on messages along the routes between custom topics."""

import asyncio
from collections.abc import Awaitable, Sequence

from thingplane.alink import Uplink
from thingplane.bus import Downlink, DownlinkMessage
from thingplane.topics.routes import Route, TopicRouteService


class TopicForwarding:
    """Takes what devices publish on custom topics."""

    def __init__(self, routes: TopicRouteService, downlink: Downlink) -> None:
        self._routes = routes
        self._downlink = downlink

    def on_custom_message(self, uplink: Uplink) -> Awaitable[None] | None:
        """Pass a message on to the destinations of its topic; the gateway calls this for every custom message.

        The message stays as it is and keeps its QoS and MQTT 5 properties; with QoS 1 it is acknowledged once it is
        kept for those devices that have sessions. Routes do not chain: what arrives by a route was not published by a
        device.

        Returns:
            None when the topic has no routes.
        """
        routes = self._routes.routes(uplink.topic)
        return self._forward(uplink, routes) if routes else None

    async def _forward(self, uplink: Uplink, routes: Sequence[Route]) -> None:
        properties = dict(uplink.properties or {})
        expiry = properties.pop("expiry", None)
        # At once: kept messages of all destinations then become durable in one commit.
        await asyncio.gather(
            *(
                self._downlink.send(
                    DownlinkMessage(
                        device_id=route.device_id,
                        topic=route.topic,
                        payload=uplink.payload,
                        qos=uplink.qos,
                        expiry=expiry if isinstance(expiry, int) else None,
                        properties=properties,
                        needs_subscription=True,
                    )
                )
                for route in routes
            )
        )
