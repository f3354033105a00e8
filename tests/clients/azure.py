"""The AMQP 1.0 client inside of Azure's SDK: a third one, written by others than rhea and what is tested here."""

import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from azure.servicebus._pyamqp.authentication import SASLPlainAuth
from azure.servicebus._pyamqp.client import ReceiveClient

PATIENCE_S = 10


class AzureClient:
    """A receiver on one link; all methods block."""

    def __init__(self, port: int | None, ca: Path, login: tuple[str, str], **options: Any) -> None:
        """Connect nothing yet.

        Args:
            port: on localhost, with TLS.
            ca: file with the authority of its certificate.
            login: user name and password.
            options: of the client: ``link_credit``, ``receive_settle_mode`` and others.
        """
        # Its types are for those who use the SDK, not for those who use what is inside.
        client: Any = ReceiveClient
        self._client = client(
            "localhost",
            "any-source",
            # With TLS the only way to another port than 5671.
            custom_endpoint_address=f"amqps://localhost:{port}",
            auth=SASLPlainAuth(*login),
            connection_verify=str(ca),
            retry_policy=None,
            **options,
        )

    def __enter__(self) -> Self:
        self._client.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def messages(self, count: int) -> list[tuple[tuple[int, bytes], Any]]:
        """Return so many messages, each with the number and tag of its delivery."""
        found: list[tuple[tuple[int, bytes], Any]] = []
        deadline = time.monotonic() + PATIENCE_S
        waiting = self._client._received_messages
        while len(found) < count:
            assert time.monotonic() < deadline, found
            self._client.do_work()
            while not waiting.empty():
                frame, message = waiting.get()
                found.append(((frame[1], frame[2]), message))
        return found

    def settle(self, delivery: tuple[int, bytes], outcome: str = "accepted", **options: Any) -> None:
        """Settle a delivery: accepted, released, rejected or modified."""
        self._client.settle_messages(*delivery, outcome, **options)
