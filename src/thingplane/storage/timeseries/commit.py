"""One commit a loop turn, however many messages the turn brought."""

import asyncio

from thingplane.storage.timeseries.interface import Done, TimeSeries


class GroupCommit:
    """Tells callers when what they appended is durable.

    The first ``after`` of a loop turn schedules one commit behind everything that is ready to run in this turn, so all
    messages read from all sockets in the turn share it (and its disk flush).
    """

    def __init__(self, store: TimeSeries) -> None:
        self._store = store
        self._actions: list[Done] = []

    def after(self, action: Done) -> None:
        """Run ``action(None)`` once everything appended up to now is durable, ``action(error)`` if that failed.

        Actions run in the order given, at the end of the turn at the earliest. If nothing was appended no disk is
        touched. An action that raises is reported to the loop's exception handler and does not hold up the others.
        """
        if not self._actions:
            asyncio.get_running_loop().call_soon(self._commit)
        self._actions.append(action)

    async def durable(self) -> None:
        """Return when everything appended up to now is durable.

        Raises:
            BaseException: Whatever made the commit fail; what was appended since the one before is withdrawn.
        """
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def settle(error: BaseException | None) -> None:
            if future.cancelled():
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        self.after(settle)
        await future

    def _commit(self) -> None:
        actions, self._actions = self._actions, []

        def done(error: BaseException | None) -> None:
            for action in actions:
                try:
                    action(error)
                except Exception as failure:  # noqa: BLE001  the other connections' acknowledgements must still leave
                    asyncio.get_running_loop().call_exception_handler(
                        {"message": "An action after a commit failed", "exception": failure}
                    )

        self._store.commit(done)
