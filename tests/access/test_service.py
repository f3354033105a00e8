"""AccessService on both databases."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.common.clock import FakeClock

from thingplane.access.service import AccessError, AccessService
from thingplane.cloud.credentials import AccessKey
from thingplane.cloud.policy import InvalidPolicyError
from thingplane.storage.database import Database

READ_ONLY = "AliyunIOTReadOnlyAccess"
RESOURCE = "acs:iot:cn-shanghai:1:product/a1"
DENY_ALL = '{"Version": "1", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}'


@pytest.fixture
async def access(database: Database, clock: FakeClock) -> AsyncIterator[AccessService]:
    access = AccessService(database, clock, account_id="42")
    await access.start()
    yield access
    await access.stop()


def found(access: AccessService, access_key_id: str) -> AccessKey:
    key = access.find_key(access_key_id)
    assert key is not None
    return key


async def test_the_first_key_belongs_to_the_account(access: AccessService) -> None:
    await access.ensure_root_key("first", "s3cret")
    key = found(access, "first")
    assert (key.caller.account_id, key.caller.access_key_id, key.caller.user) == ("42", "first", None)
    assert (key.secret, key.enabled, key.policy) == ("s3cret", True, None)


async def test_the_first_key_can_be_ensured_again_and_with_another_secret(access: AccessService) -> None:
    await access.ensure_root_key("first", "s3cret")
    await access.ensure_root_key("first", "s3cret")
    await access.set_key_enabled("first", False)
    await access.ensure_root_key("first", "other")
    assert (found(access, "first").secret, found(access, "first").enabled) == ("other", True)
    assert len(await access.list_keys()) == 1


@pytest.mark.parametrize(("key", "secret"), [("", "x"), ("a b", "x"), ("a", "")])
async def test_a_malformed_first_key_is_refused(access: AccessService, key: str, secret: str) -> None:
    with pytest.raises(AccessError):
        await access.ensure_root_key(key, secret)


async def test_the_key_of_a_user_does_not_become_one_of_the_account(access: AccessService) -> None:
    await access.create_user("ann")
    key = await access.create_key("ann")
    with pytest.raises(AccessError, match="sub-user"):
        await access.ensure_root_key(key.access_key_id, "x")
    assert found(access, key.access_key_id).secret == key.secret


async def test_an_unknown_key_is_not_found(access: AccessService) -> None:
    assert access.find_key("nobody") is None


async def test_a_new_user_may_do_nothing(access: AccessService) -> None:
    await access.create_user("ann")
    policy = found(access, (await access.create_key("ann")).access_key_id).policy
    assert policy is not None
    assert not policy.allows("iot:QueryProduct", RESOURCE)


async def test_policies_say_what_a_user_may_do(access: AccessService) -> None:
    await access.create_user("ann")
    key = (await access.create_key("ann")).access_key_id
    await access.attach_policy("ann", READ_ONLY)
    policy = found(access, key).policy
    assert policy is not None
    assert policy.allows("iot:QueryProduct", RESOURCE)
    assert not policy.allows("iot:DeleteProduct", RESOURCE)
    await access.attach_policy("ann", "nothing", DENY_ALL)
    policy = found(access, key).policy
    assert policy is not None
    assert not policy.allows("iot:QueryProduct", RESOURCE)
    await access.detach_policy("ann", "nothing")
    await access.attach_policy("ann", READ_ONLY)
    assert [user.policies for user in await access.list_users()] == [(READ_ONLY,)]


async def test_keys_are_disabled_enabled_and_deleted(access: AccessService) -> None:
    key = (await access.create_key()).access_key_id
    await access.set_key_enabled(key, False)
    assert not found(access, key).enabled
    await access.set_key_enabled(key, True)
    assert found(access, key).enabled
    await access.delete_key(key)
    assert access.find_key(key) is None


async def test_lists_show_no_secrets(access: AccessService, clock: FakeClock) -> None:
    await access.create_user("ann")
    first = await access.create_key()
    clock.advance(1)
    second = await access.create_key("ann")
    keys = await access.list_keys()
    assert [(key.access_key_id, key.user) for key in keys] == [
        (first.access_key_id, None),
        (second.access_key_id, "ann"),
    ]
    assert await access.list_keys("ann") == keys[1:]
    assert second.secret not in repr(keys) + repr(second) + repr(found(access, second.access_key_id))


async def test_a_deleted_user_takes_keys_and_policies_along(access: AccessService) -> None:
    await access.create_user("ann")
    key = (await access.create_key("ann")).access_key_id
    await access.attach_policy("ann", READ_ONLY)
    await access.delete_user("ann")
    assert access.find_key(key) is None
    assert await access.list_users() == []
    await access.create_user("ann")
    assert [user.policies for user in await access.list_users()] == [()]


async def test_changes_of_what_does_not_exist_are_refused(access: AccessService) -> None:
    for change in (
        access.create_key("nobody"),
        access.set_key_enabled("nobody", True),
        access.delete_key("nobody"),
        access.delete_user("nobody"),
        access.attach_policy("nobody", READ_ONLY),
        access.detach_policy("nobody", READ_ONLY),
    ):
        with pytest.raises(AccessError, match="nobody"):
            await change


async def test_bad_users_and_policies_are_refused(access: AccessService) -> None:
    await access.create_user("ann")
    for change in (
        access.create_user("ann"),
        access.create_user("-x"),
        access.attach_policy("ann", "Unknown"),
        access.attach_policy("ann", READ_ONLY, DENY_ALL),
        access.attach_policy("ann", "a b", DENY_ALL),
        access.detach_policy("ann", "Unknown"),
    ):
        with pytest.raises(AccessError):
            await change
    with pytest.raises(InvalidPolicyError):
        await access.attach_policy("ann", "own", "{}")
    assert [user.policies for user in await access.list_users()] == [()]


async def test_one_of_two_users_with_the_same_name_is_created(access: AccessService) -> None:
    results = await asyncio.gather(access.create_user("ann"), access.create_user("ann"), return_exceptions=True)
    assert [type(result) for result in results].count(AccessError) == 1
    assert len(await access.list_users()) == 1


async def test_changes_by_another_process_are_noticed(
    access: AccessService, database: Database, clock: FakeClock
) -> None:
    other = AccessService(database, clock)
    key = (await other.create_key()).access_key_id
    assert access.find_key(key) is None
    await access.refresh()
    assert access.find_key(key) is not None
    await other.delete_key(key)
    await access.refresh()
    assert access.find_key(key) is None
