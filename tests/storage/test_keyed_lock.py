import asyncio

from thingplane.storage.keyed_lock import KeyedLocks


async def test_what_belongs_to_one_key_is_done_in_order_and_one_at_a_time() -> None:
    locks, log = KeyedLocks(), []

    async def act(key: str, name: str) -> None:
        async with locks.of(key):
            log.append(f"{name} begins")
            await asyncio.sleep(0)
            log.append(f"{name} ends")

    await asyncio.gather(act("a", "first"), act("a", "second"), act("b", "other"))
    assert [line for line in log if "other" not in line] == [
        *("first begins", "first ends"),
        *("second begins", "second ends"),
    ]
    assert log.index("other begins") < log.index("first ends")


async def test_a_lock_that_nobody_uses_is_forgotten() -> None:
    locks = KeyedLocks()
    async with locks.of("a"):
        assert len(locks) == 1
    assert len(locks) == 0
