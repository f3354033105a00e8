"""AMQP: to a consumer group, by way of the log of forwarded messages."""

import re
from typing import Final

from thingplane.forwarding.message import Kind, Source
from thingplane.forwarding.service import Forwarder
from thingplane.rules.actions.configurations import Amqp
from thingplane.rules.destinations.protocol import DestinationError, Record

_TAG: Final = re.compile(r"[^\0]{1,128}")


class ConsumerGroup:
    """Hands records to a group: with topic, message id and time of the message that they were made of."""

    def __init__(self, configuration: Amqp, subscriber: int, forwarder: Forwarder) -> None:
        """Take a configuration.

        Args:
            configuration: of the action.
            subscriber: what the group is to the forwarder.
            forwarder: the log.
        """
        self.region = ""
        self.resource = configuration.group_id
        self._tag = configuration.tag
        self._to = (subscriber,)
        self._forwarder = forwarder

    def hand_over(self, record: Record) -> None:
        message = record.message
        tag = self._tag.render(record.columns)
        source = Source(
            message.instance_id,
            message.product_id,
            message.product_key,
            message.device_id,
            message.device_name,
            "",
            "",
        )
        taken = self._forwarder.forward(
            Kind.RULE,
            source,
            message.topic,
            record.payload,
            qos=message.qos,
            message_id=message.message_id,
            tag=tag if _TAG.fullmatch(tag) else "",
            generated=message.generated,
            to=self._to,
        )
        if taken is None:
            raise DestinationError("the consumer group is gone", permanent=True)

    async def send(self, record: Record) -> None:
        self.hand_over(record)
        try:
            await self._forwarder.durable()
        except Exception as error:
            raise DestinationError(f"the message could not be written: {error!r}") from error
