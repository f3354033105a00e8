"""MNS: to a topic of an MNS-compatible endpoint."""

from thingplane.outbound import OutboundError
from thingplane.outbound.mns import MAX_MESSAGE, MnsClient
from thingplane.rules.actions.configurations import Mns
from thingplane.rules.destinations.protocol import DestinationError, Record


class MnsTopic:
    """Publishes payloads as raw text."""

    def __init__(self, configuration: Mns, client: MnsClient) -> None:
        """Take a configuration and the client of the endpoint."""
        self.region = configuration.region
        self.resource = configuration.topic
        self._client = client

    async def send(self, record: Record) -> None:
        if len(record.payload) > MAX_MESSAGE:
            raise DestinationError(f"MNS takes at most {MAX_MESSAGE} bytes", permanent=True)
        try:
            body = record.payload.decode()
        except UnicodeDecodeError:
            raise DestinationError("MNS takes text only", permanent=True) from None
        try:
            await self._client.publish(self.resource, body)
        except OutboundError as error:
            raise DestinationError(str(error)) from error
