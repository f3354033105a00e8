"""Tags of products: keys with values, unique by key within a product."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.cloud.errors import INVALID_FORMATTED_PARAMETER
from thingplane.products.rows import locked
from thingplane.products.tables import product_tags
from thingplane.storage.database import Database

MAX_TAGS = 100
"""Tags of a product (guide 4.7.6)."""
Tag = tuple[str | None, str | None]
"""Key and value as a caller gave them."""

_KEY = re.compile(r"[A-Za-z0-9.]{1,30}")
_VALUE = re.compile(r"[\w-]{1,128}")


class InvalidTagsError(Exception):
    """Tags were refused, and nothing was changed."""

    def __init__(self, reason: str, tags: Sequence[Tag]) -> None:
        super().__init__(reason)
        self.reason = reason
        self.tags = tags
        """The tags to blame."""


def _check(tags: Sequence[Tag]) -> dict[str, str]:
    """Return well-formed tags by key.

    Raises:
        InvalidTagsError: a key or value is missing or malformed, or a key is named twice.
    """
    keys = Counter(key for key, _ in tags)
    good: dict[str, str] = {}
    bad: list[Tag] = []
    for key, value in tags:
        if key and value and _KEY.fullmatch(key) and _VALUE.fullmatch(value) and keys[key] == 1:
            good[key] = value
        else:
            bad.append((key, value))
    if bad:
        raise InvalidTagsError(
            "Keys take 1 to 30 letters, digits, periods and differ; values take 1 to 128 letters, digits, _ and -.", bad
        )
    return good


class ProductTags:
    """The tags of all products."""

    def __init__(self, database: Database, *, max_tags: int = MAX_TAGS) -> None:
        self._database = database
        self._max_tags = max_tags

    async def list(self, product_id: int) -> list[tuple[str, str]]:
        """Return keys and values, ordered by key."""
        query = select(product_tags.c.tag_key, product_tags.c.tag_value).where(product_tags.c.product_id == product_id)
        async with self._database.read() as connection:
            rows = (await connection.execute(query.order_by(product_tags.c.tag_key))).all()
        return [(key, value) for key, value in rows]

    async def create(self, product_id: int, tags: Sequence[Tag]) -> None:
        """Add tags, all or none.

        Raises:
            InvalidTagsError: a tag is malformed, or the product has one with its key already.
            BusinessError: iot.common.InvalidFormattedParameter when the product would have too many tags;
                iot.prod.NotExistedProduct.
        """
        new = _check(tags)
        async with self._database.write() as connection:
            await locked(connection, product_id)
            known = await _known(connection, product_id, new)
            if known:
                taken = [(key, value) for key, value in new.items() if key in known]
                raise InvalidTagsError("The product has tags with these keys already.", taken)
            mine = product_tags.c.product_id == product_id
            count = (await connection.execute(select(func.count()).select_from(product_tags).where(mine))).scalar_one()
            if count + len(new) > self._max_tags:
                raise INVALID_FORMATTED_PARAMETER(f"A product has at most {self._max_tags} tags.")
            rows = [{"product_id": product_id, "tag_key": key, "tag_value": value} for key, value in new.items()]
            await connection.execute(insert(product_tags), rows)

    async def update(self, product_id: int, tags: Sequence[Tag]) -> None:
        """Give tags other values, all or none.

        Raises:
            InvalidTagsError: a tag is malformed, or the product has none with its key.
            BusinessError: iot.prod.NotExistedProduct.
        """
        new = _check(tags)
        async with self._database.write() as connection:
            await locked(connection, product_id)
            known = await _known(connection, product_id, new)
            unknown = [(key, value) for key, value in new.items() if key not in known]
            if unknown:
                raise InvalidTagsError("The product has no tags with these keys.", unknown)
            for key, value in new.items():
                mine = (product_tags.c.product_id == product_id, product_tags.c.tag_key == key)
                await connection.execute(update(product_tags).where(*mine).values(tag_value=value))

    async def delete(self, product_id: int, keys: Iterable[str]) -> None:
        """Remove the tags with these keys; keys that the product has not are no failure."""
        mine = (product_tags.c.product_id == product_id, product_tags.c.tag_key.in_(list(keys)))
        async with self._database.write() as connection:
            await connection.execute(delete(product_tags).where(*mine))

    def matching(self, tags: Iterable[tuple[str, str | None]]) -> Select[Any]:
        """Return a query for the ids of products that have any of these tags; value None is any value."""
        conditions = [
            product_tags.c.tag_key == key
            if value is None
            else and_(product_tags.c.tag_key == key, product_tags.c.tag_value == value)
            for key, value in tags
        ]
        return select(product_tags.c.product_id).where(or_(*conditions))


async def _known(connection: AsyncConnection, product_id: int, keys: Iterable[str]) -> set[str]:
    query = select(product_tags.c.tag_key).where(
        product_tags.c.product_id == product_id, product_tags.c.tag_key.in_(list(keys))
    )
    return set((await connection.execute(query)).scalars())
