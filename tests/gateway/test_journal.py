"""Writes that share transactions."""

import asyncio

import pytest
from sqlalchemy import delete, insert, select

from thingplane.gateway.journal import Journal
from thingplane.gateway.tables import sessions
from thingplane.storage.database import Database

ADD = insert(sessions)
REMOVE = delete(sessions)


def row(device_id: int) -> dict[str, object]:
    return {"device_id": device_id, "client_id": "c", "expiry_interval": 1, "expires_at": None}


async def stored(database: Database) -> list[int]:
    async with database.read() as connection:
        return list((await connection.execute(select(sessions.c.device_id).order_by(sessions.c.device_id))).scalars())


async def test_writes_are_durable_in_the_order_they_were_given(database: Database) -> None:
    journal = Journal(database)
    for device_id in range(5):
        journal.write(ADD, row(device_id))
    journal.write(REMOVE, {})
    journal.write(ADD, row(7))
    await journal.durable()
    assert await stored(database) == [7]
    await journal.durable()


async def test_a_failure_is_told_to_those_who_wait_for_it_and_to_nobody_else(database: Database) -> None:
    journal = Journal(database)
    failed: list[int] = []
    outcomes: list[BaseException | None] = []
    journal.write(ADD, row(1), lambda: failed.append(1))
    journal.write(ADD, row(1), lambda: failed.append(2))
    journal.after(outcomes.append)
    with pytest.raises(Exception, match="gateway_sessions"):
        await journal.durable()
    assert failed == [1, 2]
    assert [type(outcome).__name__ for outcome in outcomes] == ["IntegrityError"]
    assert await stored(database) == []
    journal.write(ADD, row(2))
    await journal.durable()
    assert await stored(database) == [2]


async def test_an_action_that_fails_does_not_hold_up_the_others(embedded: Database) -> None:
    journal = Journal(embedded)
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: reported.append(context))

    def broken(_error: BaseException | None) -> None:
        raise ZeroDivisionError

    journal.write(ADD, row(1))
    journal.after(broken)
    await journal.durable()
    assert [type(context["exception"]) for context in reported] == [ZeroDivisionError]


async def test_closing_waits_for_what_was_given(embedded: Database) -> None:
    journal = Journal(embedded)
    journal.write(ADD, row(1))
    await journal.close()
    assert await stored(embedded) == [1]
