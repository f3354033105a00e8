"""``/healthz``, ``/readyz`` and ``/metrics`` on the API port."""

from collections.abc import Awaitable, Callable

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from thingplane.cloud.http import AsgiApp, Receive, Scope, Send, respond
from thingplane.observability.metrics import CONTENT_TYPE, Metrics
from thingplane.storage.database import Database

TEXT = b"text/plain; charset=utf-8"


class Health:
    """Answers an operator's probes."""

    def __init__(self, database: Database, metrics: Metrics, *before_metrics: Callable[[], Awaitable[None]]) -> None:
        """Wire the probes.

        Args:
            database: asked whether it answers before the node calls itself ready.
            metrics: what ``/metrics`` shows.
            before_metrics: refresh figures that have to be waited for.
        """
        self.ready = False
        """Whether the node accepts traffic."""
        self._database = database
        self._metrics = metrics
        self._before_metrics = before_metrics

    def routes(self) -> dict[str, AsgiApp]:
        """Return the handlers by path."""
        return {"/healthz": self._healthz, "/readyz": self._readyz, "/metrics": self._show_metrics}

    async def _healthz(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await respond(send, 200, TEXT, b"ok\n")

    async def _readyz(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        if not self.ready:
            await respond(send, 503, TEXT, b"not ready\n")
            return
        try:
            async with self._database.read() as connection:
                await connection.execute(text("SELECT 1"))
        except (SQLAlchemyError, OSError):
            await respond(send, 503, TEXT, b"the metadata database does not answer\n")
            return
        await respond(send, 200, TEXT, b"ready\n")

    async def _show_metrics(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        for refresh in self._before_metrics:
            await refresh()
        await respond(send, 200, CONTENT_TYPE.encode(), self._metrics.text())
