"""Accepting connections: plain MQTT, TLS and WebSocket on one port, told apart by their first byte."""

import asyncio
from functools import partial

from thingplane.gateway.hub import Hub
from thingplane.gateway.streams import Entrance

_BACKLOG = 4096


async def listen(hub: Hub, host: str, port: int) -> tuple[asyncio.Server, int]:
    """Listen on a port.

    Args:
        hub: what connections share.
        host: name or address.
        port: 0 = any free one.

    Returns:
        The server and its port.

    Raises:
        OSError: the address can't be used; the text names it.
    """
    loop = asyncio.get_running_loop()
    try:
        server = await loop.create_server(partial(Entrance, hub), host, port, backlog=_BACKLOG, reuse_address=True)
    except OSError as error:
        raise OSError(error.errno, f"can't listen on {host}:{port}: {error.strerror or error}") from None
    bound: int = server.sockets[0].getsockname()[1]
    return server, bound
