"""Tags of groups: keys with values, unique by key within a group."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from sqlalchemy import Select, and_, delete, insert, or_, select

from thingplane.groups import errors
from thingplane.groups.group import Group
from thingplane.groups.rows import changing
from thingplane.groups.tables import device_group_tags
from thingplane.storage.database import Database

_KEY = re.compile(r"[A-Za-z0-9.]{2,30}")
_VALUE = re.compile(r"[\w-]{1,128}")


class _Tag(msgspec.Struct):
    tagKey: str | None = None
    tagValue: str | None = None


_decoder = msgspec.json.Decoder(list[_Tag])


def read_tags(text: str) -> dict[str, str]:
    """Return the tags of a TagString by key (guide 4.9.8, SetDeviceGroupTags), without those to delete.

    Raises:
        BusinessError: iot.group.InvalidFormattedTagString.
    """
    try:
        tags = _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError):
        raise errors.INVALID_FORMATTED_TAG_STRING() from None
    # "To delete a tag, do not specify a key or value": an entry without one of them names a tag that shall not be.
    complete = [(tag.tagKey, tag.tagValue) for tag in tags if tag.tagKey and tag.tagValue]
    good = {key: value for key, value in complete if _KEY.fullmatch(key) and _VALUE.fullmatch(value)}
    if len(good) < len(complete):
        raise errors.INVALID_FORMATTED_TAG_STRING()
    return good


class GroupTags:
    """The tags of all groups."""

    def __init__(self, database: Database, max_tags: int) -> None:
        self._database = database
        self._max_tags = max_tags

    async def list(self, group: Group) -> list[tuple[str, str]]:
        """Return keys and values, ordered by key."""
        query = select(device_group_tags.c.tag_key, device_group_tags.c.tag_value)
        query = query.where(device_group_tags.c.group_id == group.id).order_by(device_group_tags.c.tag_key)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return [(key, value) for key, value in rows]

    async def set(self, group: Group, tags: Mapping[str, str]) -> None:
        """Give a group exactly these tags: those that it has besides are removed.

        Raises:
            BusinessError: iot.group.TagCountExceedMax, iot.group.NotExistedGroup.
        """
        if len(tags) > self._max_tags:
            raise errors.TAG_COUNT_EXCEED_MAX(f"A group has at most {self._max_tags} tags.")
        rows = [{"group_id": group.id, "tag_key": key, "tag_value": value} for key, value in tags.items()]
        async with self._database.write() as connection:
            await changing(connection, group)
            await connection.execute(delete(device_group_tags).where(device_group_tags.c.group_id == group.id))
            if rows:
                await connection.execute(insert(device_group_tags), rows)

    def matching(self, tags: Iterable[tuple[str, str]]) -> Select[Any]:
        """Return a query for the keys of groups that have any of these tags."""
        conditions = [
            and_(device_group_tags.c.tag_key == key, device_group_tags.c.tag_value == value) for key, value in tags
        ]
        return select(device_group_tags.c.group_id).where(or_(*conditions))
