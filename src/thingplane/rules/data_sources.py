"""Data sources of the vendor's newer pipeline: topics that belong together.

Only what the guide lists of that pipeline exists: topics can be added and listed. A data source is there once it has a
topic; nothing is forwarded from it, which rules do.
"""

import msgspec
from sqlalchemy import func, insert, select

from thingplane.products.service import ProductService
from thingplane.rules.tables import rule_data_source_items as items
from thingplane.rules.topics import read_topic
from thingplane.storage.database import Database


class DataSourceItem(msgspec.Struct, frozen=True, kw_only=True):
    """A topic of a data source."""

    id: int = 0
    data_source_id: int
    topic: str
    scope_type: str | None = None
    product_key: str | None = None
    device_name: str | None = None


class DataSourceService:
    """The data sources of all instances."""

    def __init__(self, database: Database, products: ProductService) -> None:
        """Wire the service."""
        self._database = database
        self._products = products

    async def add(self, instance_id: int, item: DataSourceItem) -> None:
        """Add a topic; one that is there already stays.

        Raises:
            BusinessError: iot.prod.NotExistedProduct, iot.messagebroker.InvalidFormattedTopicName,
                iot.ruleng.IncorrectSysTopic.
        """
        product_key, _, _ = read_topic(item.topic)
        await self._products.get(instance_id, product_key)
        values = {name: value for name, value in msgspec.structs.asdict(item).items() if name != "id"}
        values["instance_id"] = instance_id
        same = [items.c[name].is_not_distinct_from(value) for name, value in values.items()]
        async with self._database.write() as connection:
            if (await connection.execute(select(items.c.id).where(*same))).first() is None:
                await connection.execute(insert(items).values(values))

    async def page(
        self, instance_id: int, data_source_id: int, number: int, size: int, search: str = ""
    ) -> tuple[list[DataSourceItem], int]:
        """Return a page of topics, oldest first, and the number of all.

        Args:
            instance_id: whose.
            data_source_id: which.
            number: of the page, from 1.
            size: items of a page.
            search: text anywhere in the topic.
        """
        wanted = [items.c.instance_id == instance_id, items.c.data_source_id == data_source_id]
        if search:
            wanted.append(items.c.topic.contains(search, autoescape=True))
        query = select(items).where(*wanted).order_by(items.c.id).limit(size).offset((number - 1) * size)
        async with self._database.read() as connection:
            total = (await connection.execute(select(func.count()).select_from(items).where(*wanted))).scalar_one()
            found = [
                DataSourceItem(
                    id=row.id,
                    data_source_id=row.data_source_id,
                    topic=row.topic,
                    scope_type=row.scope_type,
                    product_key=row.product_key,
                    device_name=row.device_name,
                )
                for row in await connection.execute(query)
            ]
        return found, total
