"""CoAP of a node: its two listeners."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from thingplane.coap_access.dtls_listener import DtlsListener
from thingplane.coap_access.metrics import Counters
from thingplane.coap_access.resources import Resources
from thingplane.coap_access.udp import DatagramListener, UdpListener
from thingplane.gateway.psk import PskKeys

if TYPE_CHECKING:
    from thingplane.coap_access.dtls import DtlsContext

_GRACE_S: Final = 2.0
IDLE_S: Final = 3600.0
"""A DTLS session that nothing comes over for so long ends; devices begin another one."""


class Ports(NamedTuple):
    """Where it listens."""

    coap: int
    coaps: int


class CoapService:
    """Starts and stops the listeners."""

    def __init__(self, resources: Resources, keys: PskKeys, *, max_sessions: int) -> None:
        """Wire.

        Args:
            resources: answer requests.
            keys: pre-shared keys of DTLS.
            max_sessions: DTLS sessions at a time.
        """
        self.counters = Counters()
        self._resources = resources
        self._keys = keys
        self._max_sessions = max_sessions
        self._listeners: list[DatagramListener] = []

    async def start(
        self,
        host: str,
        coap_port: int,
        coaps_port: int,
        pairs: Sequence[tuple[Path, Path]],
        *,
        rsa_key_exchange: bool = True,
    ) -> Ports:
        """Listen.

        Args:
            host: name or address.
            coap_port: of the symmetric mode; 0: any free one.
            coaps_port: of DTLS; 0: any free one.
            pairs: PEM files of the server's certificates and their keys, at most one for each kind of key.
            rsa_key_exchange: whether to offer key exchange by RSA, too.

        Raises:
            OSError: an address can't be used; the text names it.
        """
        coap = await self._listen(UdpListener(self._resources, self.counters), host, coap_port)

        def context() -> "DtlsContext":
            from thingplane.coap_access.dtls import DtlsContext  # noqa: PLC0415 - see DtlsListener

            return DtlsContext(pairs, self._keys, rsa_key_exchange=rsa_key_exchange)

        listener = DtlsListener(self._resources, self.counters, context, self._max_sessions, IDLE_S)
        return Ports(coap, await self._listen(listener, host, coaps_port))

    async def _listen(self, listener: DatagramListener, host: str, port: int) -> int:
        self._listeners.append(listener)
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_datagram_endpoint(lambda: listener, (host, port))
        except OSError as error:
            raise OSError(error.errno, f"can't listen on udp {host}:{port}: {error.strerror or error}") from None
        address: Any = transport.get_extra_info("sockname")
        return int(address[1])

    async def stop(self) -> None:
        """Answer what has come, and close."""
        while self._listeners:
            await self._listeners.pop().close(_GRACE_S)
        self._resources.visits.close()
