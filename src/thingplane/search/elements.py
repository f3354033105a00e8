"""Conditions on what devices may have several of: tags, groups, OTA modules."""

from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Select, Table, exists, select

from thingplane.devices.service import device_tags, devices
from thingplane.groups.service import device_group_members, device_groups
from thingplane.ota.service import ota_module_versions
from thingplane.search.comparing import compare
from thingplane.search.fields import Element
from thingplane.search.statement import Condition, Conditions

ElementConditions: TypeAlias = Conditions
"""Conditions that one and the same tag, group or module has to meet."""

_TABLES: Final[dict[Element, Table]] = {
    Element.GROUP: device_group_members,
    Element.TAG: device_tags,
    Element.MODULE: ota_module_versions,
}


def elements(conditions: Conditions) -> list[ElementConditions]:
    """Sort conditions by the tag, group or module that they are about; those on devices themselves are left out.

    A name and a value are about the same tag, a module and a version about the same module. Where a field has to equal
    two values, two of them are meant. Every condition on groups is about a group of its own, and so is every null.
    """
    found: list[list[Condition]] = []
    for condition in conditions:
        element = condition.field.element
        if element is Element.DEVICE:
            continue
        last = next((one for one in reversed(found) if one[0].field.element is element), None)
        alone = element is Element.GROUP or condition.value is None
        if last is None or alone or last[0].value is None or _names_another(condition, last):
            found.append([condition])
        else:
            last.append(condition)
    return [tuple(one) for one in found]


def _names_another(condition: Condition, element: list[Condition]) -> bool:
    return condition.operator == "=" and any(
        other.operator == "=" and other.field is condition.field for other in element
    )


def can_narrow(element: ElementConditions) -> bool:
    """Tell whether devices can be found from the tags, groups or modules that fit: not from those that are missing."""
    return element[0].value is not None


def narrowing(element: ElementConditions, instance_id: int) -> Select[Any]:
    """Return the query for the keys of devices that have a fitting tag, group or module."""
    table = _TABLES[element[0].field.element]
    query = select(table.c.device_id).where(*_fitting(element, instance_id))
    # The instance comes first in the index of tags.
    return query.where(table.c.instance_id == instance_id) if "instance_id" in table.c else query


def belongs_to_device(element: ElementConditions, instance_id: int) -> ColumnElement[bool]:
    """Return the condition that a row of ``devices`` has a fitting tag, group or module."""
    table = _TABLES[element[0].field.element]
    mine = select(table.c.device_id).where(table.c.device_id == devices.c.id)
    if not can_narrow(element):
        return ~exists(mine) if element[0].operator == "=" else exists(mine)
    return exists(mine.where(*_fitting(element, instance_id)))


def _fitting(element: ElementConditions, instance_id: int) -> list[ColumnElement[bool]]:
    table = _TABLES[element[0].field.element]
    if table is not device_group_members:
        return [compare(table.c[condition.field.column], condition) for condition in element]
    return [_group_fits(condition, instance_id) for condition in element]


def _group_fits(condition: Condition, instance_id: int) -> ColumnElement[bool]:
    # Groups are named by their GroupIds, and in the rows of their members by their keys.
    key = device_group_members.c.group_id
    groups = select(device_groups.c.id).where(device_groups.c.instance_id == instance_id)
    if condition.operator == "LIKE":
        return key.in_(groups.where(compare(device_groups.c.group_id, condition)))
    named = groups.where(device_groups.c.group_id == condition.value).scalar_subquery()
    return key == named if condition.operator == "=" else key.is_distinct_from(named)
