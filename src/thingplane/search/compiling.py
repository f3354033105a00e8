"""From statements to queries of the metadata database. Values only ever become bound parameters."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select, true

from thingplane.devices.service import devices
from thingplane.search.comparing import compare
from thingplane.search.elements import ElementConditions, belongs_to_device, elements
from thingplane.search.fields import STATUSES, Element, FieldType
from thingplane.search.statement import Condition, Conditions, Statement

_COLUMNS: Final = (
    devices.c.id,
    devices.c.iot_id,
    devices.c.product_key,
    devices.c.name,
    devices.c.nickname,
    devices.c.activated_at,
    devices.c.created_at,
    devices.c.modified_at,
    devices.c.status,
)

Keys: TypeAlias = Sequence[int] | Select[Any]
"""Keys of devices, or the query for them."""


class Compiler:
    """Makes the queries of one statement."""

    def __init__(
        self,
        statement: Statement,
        instance_id: int,
        products: Mapping[str, int],
        few: Mapping[ElementConditions, Keys],
    ) -> None:
        """Prepare.

        Args:
            statement: what is wanted.
            instance_id: whose devices.
            products: keys in the database of the ProductKeys that the statement names and the instance has.
            few: the devices that meet conditions on tags, groups or modules, for those that not too many meet.
        """
        self._statement = statement
        self._instance_id = instance_id
        self._products = products
        self._few = few

    def count(self) -> Select[Any]:
        """Return the query for the number of devices that fit."""
        return select(func.count()).select_from(devices).where(self._fits())

    def page(self) -> Select[Any]:
        """Return the query for the devices of the page, with all columns that fields of devices have."""
        statement, order = self._statement, self._order()
        page = select(devices.c.id).where(self._fits()).order_by(*order)
        page = page.limit(statement.limit).offset(statement.offset)
        # Only keys are sorted and skipped; the devices themselves are read for the page alone.
        return select(*_COLUMNS).where(devices.c.id.in_(page)).order_by(*order)

    def _order(self) -> tuple[ColumnElement[Any], ...]:
        # By key where nothing else is said: pages then fit together.
        key, field = devices.c.id, self._statement.order_by
        if field is None:
            return (key.asc(),)
        column = devices.c[field.column]
        by_time = column.desc() if self._statement.descending else column.asc()
        # Devices that were never active come last, in both directions.
        by_time = by_time.nulls_last() if column.nullable else by_time
        return by_time, key.desc() if self._statement.descending else key.asc()

    def _fits(self) -> ColumnElement[bool]:
        return or_(*map(self._all_of, self._statement.alternatives))

    def _all_of(self, conditions: Conditions) -> ColumnElement[bool]:
        found = elements(conditions)
        # Where a few devices are known, the sums keep databases from looking through all of a product or an instance.
        known = any(element in self._few for element in found)
        product_id: ColumnElement[int] = devices.c.product_id + 0 if known else devices.c.product_id
        instance_id: ColumnElement[int] = devices.c.instance_id + 0 if known else devices.c.instance_id
        parts = [
            devices.c.id.in_(self._few[element])
            if element in self._few
            else belongs_to_device(element, self._instance_id)
            for element in found
        ]
        own = (condition for condition in conditions if condition.field.element is Element.DEVICE)
        parts += [self._device(condition, product_id) for condition in own]
        if not any(map(self._is_in_product, conditions)):
            # Not said of products, which are in one instance: the indexes of products are better.
            parts.append(instance_id == self._instance_id)
        return and_(*parts)

    def _is_in_product(self, condition: Condition) -> bool:
        """Tell whether a condition names a product; products are known for this instance only."""
        return condition.field.name == "product_key" and condition.operator == "=" and condition.value is not None

    def _device(self, condition: Condition, product_key: ColumnElement[int]) -> ColumnElement[bool]:
        """Return a condition on a device's own field."""
        field, value = condition.field, condition.value
        if field.type is FieldType.STATUS:
            return _status(condition)
        if field.name == "product_key" and condition.operator in {"=", "!="} and value is not None:
            # By the product's key in the database, in whose order there are indexes.
            product_id = self._products.get(str(value))
            if product_id is None:
                return false() if condition.operator == "=" else true()
            return product_key == product_id if condition.operator == "=" else product_key != product_id
        return compare(devices.c[field.column], condition)


def _status(condition: Condition) -> ColumnElement[bool]:
    value, operator = condition.value, condition.operator
    if value is None:
        return false() if operator == "=" else true()
    if operator == "LIKE":
        wanted = [number for word, number in STATUSES.items() if word.startswith(str(value))]
    else:
        wanted = [number for word, number in STATUSES.items() if (word == value) == (operator == "=")]
    return devices.c.status.in_(wanted)
