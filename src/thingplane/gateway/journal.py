"""Writes to the metadata database that many connections share: one transaction for all that is waiting."""

import asyncio
from collections.abc import Callable
from itertools import groupby
from typing import Any

import structlog
from sqlalchemy import Executable

from thingplane.storage.database import Database

_log = structlog.get_logger(__name__)

Then = Callable[[BaseException | None], None]
Failed = Callable[[], None]


class Journal:
    """Executes statements in the order they were given, as many as are waiting in one transaction.

    Runs of the same statement become one call with many parameter sets.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[tuple[Executable, dict[str, Any], Failed | None]] = []
        self._actions: list[Then] = []
        self._task: asyncio.Task[None] | None = None

    def write(self, statement: Executable, parameters: dict[str, Any], failed: Failed | None = None) -> None:
        """Execute a statement soon.

        Args:
            statement: the very same object every time, so that its runs can be put together.
            parameters: its values.
            failed: called when it was not written after all.
        """
        self._waiting.append((statement, parameters, failed))
        self._start()

    def after(self, action: Then) -> None:
        """Call ``action(None)`` once everything given up to now is durable, ``action(error)`` if that failed."""
        self._actions.append(action)
        self._start()

    async def durable(self) -> None:
        """Return when everything given up to now is durable.

        Raises:
            Exception: what made the transaction fail; nothing of it was written.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def settle(error: BaseException | None) -> None:
            if not future.done():
                if error is None:
                    future.set_result(None)
                else:
                    future.set_exception(error)

        self.after(settle)
        await future

    async def close(self) -> None:
        """Return when nothing is waiting."""
        while self._task is not None:
            await asyncio.wait([self._task])

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        try:
            while self._waiting or self._actions:
                waiting, self._waiting = self._waiting, []
                actions, self._actions = self._actions, []
                error = await self._execute(waiting) if waiting else None
                for action in actions:
                    try:
                        action(error)
                    except Exception as failure:  # noqa: BLE001 - the others must still learn of the outcome
                        asyncio.get_running_loop().call_exception_handler(
                            {"message": "An action after a write failed", "exception": failure}
                        )
        finally:
            self._task = None

    async def _execute(self, waiting: list[tuple[Executable, dict[str, Any], Failed | None]]) -> BaseException | None:
        try:
            async with self._database.write() as connection:
                for _, run in groupby(waiting, key=lambda item: id(item[0])):
                    batch = list(run)
                    await connection.execute(batch[0][0], [parameters for _, parameters, _ in batch])
        except Exception as error:  # noqa: BLE001 - whatever it was, it must reach those who wait for it
            _log.error("sessions could not be written", statements=len(waiting), error=repr(error))
            for _, _, failed in waiting:
                if failed is not None:
                    failed()
            return error
        return None
