"""Tags of groups: the text of calls, and what is kept on both databases."""

import asyncio

import msgspec
import pytest

from thingplane.cloud import BusinessError
from thingplane.groups.service import Group, GroupService
from thingplane.groups.tags import read_tags


@pytest.fixture
async def group(groups: GroupService) -> Group:
    return await groups.create(1, "Floor")


def text(*tags: tuple[object, object]) -> str:
    return msgspec.json.encode([{"tagKey": key, "tagValue": value} for key, value in tags]).decode()


def test_a_tag_string_is_read_into_values_by_key() -> None:
    longest = ("k" * 30, "v" * 128)
    assert read_tags(text(("h1", "rr"), ("a.B", "Zürich-1_标签"), longest)) == {
        "h1": "rr",
        "a.B": "Zürich-1_标签",
        longest[0]: longest[1],
    }
    assert read_tags("[]") == {}


MALFORMED = [
    "",
    "h1=rr",
    "{}",
    "null",
    '["h1"]',
    "[" * 100_000,
    '[{"tagKey":"h1","tagValue":"rr","x":' + "[" * 100_000 + "]",
    text((1, "rr")),
    text(("h", "rr")),
    text(("h" * 31, "rr")),
    text(("h_1", "rr")),
    text(("标签", "rr")),
    text(("h1", "r" * 129)),
    text(("h1", "r r")),
    text(("h1", "1"), ("h1", "1")),
]


def test_entry_without_key_or_value_names_a_tag_to_delete() -> None:
    kept = ("h1", "rr")
    for gone in (("h2", None), ("h2", ""), ("", "rr"), (None, "rr")):
        assert read_tags(text(kept, gone)) == {"h1": "rr"}
    assert read_tags('[{"tagKey":"h2"},{"tagKey":"h1","tagValue":"rr"}]') == {"h1": "rr"}


@pytest.mark.parametrize("malformed", MALFORMED, ids=lambda value: repr(value[:40]))
def test_every_other_tag_string_is_refused(malformed: str) -> None:
    with pytest.raises(BusinessError, match=r"iot\.group\.InvalidFormattedTagString"):
        read_tags(malformed)


async def test_setting_tags_adds_updates_and_deletes(groups: GroupService, group: Group) -> None:
    await groups.tags.set(group, {"room": "102", "kind": "hall"})
    await groups.tags.set(group, {"room": "103", "floor.no": "1"})
    assert await groups.tags.list(group) == [("floor.no", "1"), ("room", "103")]
    await groups.tags.set(group, {})
    assert await groups.tags.list(group) == []


async def test_a_group_has_at_most_100_tags(groups: GroupService, group: Group) -> None:
    await groups.tags.set(group, {f"k{number}": "v" for number in range(100)})
    with pytest.raises(BusinessError, match=r"iot\.group\.TagCountExceedMax"):
        await groups.tags.set(group, {f"m{number}": "v" for number in range(101)})
    assert {key[0] for key, _ in await groups.tags.list(group)} == {"k"}


async def test_of_settings_at_once_the_last_one_is_kept_whole(groups: GroupService, group: Group) -> None:
    settings = [{f"k{number}": "v", "same": str(number)} for number in range(6)]
    await asyncio.gather(*(groups.tags.set(group, tags) for tags in settings))
    assert dict(await groups.tags.list(group)) in settings


async def test_groups_are_found_by_any_of_several_tags_newest_first(groups: GroupService) -> None:
    for name, tags in {
        "first": {"room": "1", "kind": "hall"},
        "second": {"room": "2"},
        "third": {"kind": "hall"},
        "untagged": {"other": "1"},
    }.items():
        await groups.tags.set(await groups.create(1, name), tags)
    await groups.tags.set(await groups.create(2, "elsewhere"), {"room": "1"})

    async def found(*tags: tuple[str, str], page: int = 1, size: int = 10) -> tuple[list[str], int]:
        page_of_groups, total = await groups.page_by_tags(1, tags, page, size)
        return [group.name for group in page_of_groups], total

    assert await found(("room", "1")) == (["first"], 1)
    assert await found(("room", "1"), ("kind", "hall")) == (["third", "first"], 2)
    assert await found(("room", "1"), ("room", "2"), ("kind", "hall"), page=2, size=2) == (["first"], 3)
    assert await found(("room", "hall")) == ([], 0)
