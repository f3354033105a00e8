"""Work in a thread that does not outlive whoever waits for it."""

import asyncio
from collections.abc import Callable


async def in_thread(work: Callable[[], None]) -> None:
    """Run blocking work in a thread; a caller that is cancelled still waits for its end.

    Otherwise the thread would go on with files that are being closed, or opened again.
    """
    future = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        if not future.cancelled():
            future.exception()  # nobody is left to hear of it
        raise
