"""SetDeviceDesiredProperty and QueryDeviceDesiredProperty (guide 4.11.9 and 4.11.10)."""

from collections.abc import Iterable
from typing import Annotated, Any, TypeVar

import msgspec

from thingplane.cloud import Context, Field, Response, Struct, operation
from thingplane.desired.service import MAX_PROPERTIES, DesiredProperty, DesiredPropertyService, is_writable
from thingplane.devices.addressing import DeviceRequest, addressed
from thingplane.messaging.errors import SET_DEVICE_PROPERTY_FAILED
from thingplane.telemetry.errors import QUERY_DEVICE_ATTR_STATUS_FAILED
from thingplane.things.model.types import Property
from thingplane.things.service import CompiledModel, ThingModelService

V = TypeVar("V")


class SetDeviceDesiredPropertyRequest(DeviceRequest):
    Items: Annotated[
        str,
        Field(
            invalid=SET_DEVICE_PROPERTY_FAILED,
            doc="JSON object, identifier to desired value or null; at most 10 properties that can be written.",
        ),
    ]
    Versions: Annotated[
        str,
        Field(
            invalid=SET_DEVICE_PROPERTY_FAILED,
            doc="JSON object, identifier to present version; {} checks none.",
        ),
    ]


class DesiredVersions(Struct):
    MessageId: str
    Versions: str


class SetDeviceDesiredPropertyResponse(Response):
    Data: DesiredVersions


@operation(qps=50)
async def SetDeviceDesiredProperty(
    ctx: Context, req: SetDeviceDesiredPropertyRequest
) -> SetDeviceDesiredPropertyResponse:
    device = await addressed(ctx, req)
    values = _object(req.Items, "Items", dict[str, Any])
    versions = _object(req.Versions, "Versions", dict[str, int])
    message_id, new = await ctx.service(DesiredPropertyService).set(device, values, versions)
    return SetDeviceDesiredPropertyResponse(
        Data=DesiredVersions(MessageId=message_id, Versions=msgspec.json.encode(new).decode())
    )


class QueryDeviceDesiredPropertyRequest(DeviceRequest):
    Identifier: Annotated[
        list[str],
        Field(max_items=MAX_PROPERTIES, unique=True, min_length=1, doc="Absent: all that can be written."),
    ] = []
    FunctionBlockId: Annotated[str | None, Field(doc="A custom module; absent: the default module.")] = None


class DesiredPropertyValue(Struct):
    Identifier: str
    Name: str
    DataType: str
    Version: int
    Unit: str | None = None
    Value: str | None = None
    Time: str | None = None


class DesiredPropertyValues(Struct):
    DesiredPropertyInfo: list[DesiredPropertyValue]


class DesiredPropertyData(Struct):
    List: DesiredPropertyValues


class QueryDeviceDesiredPropertyResponse(Response):
    Data: DesiredPropertyData


@operation(qps=50)
async def QueryDeviceDesiredProperty(
    ctx: Context, req: QueryDeviceDesiredPropertyRequest
) -> QueryDeviceDesiredPropertyResponse:
    device = await addressed(ctx, req)
    models = ctx.service(ThingModelService)
    product = await models.product(ctx.instance.id, device.product_key)
    model = await models.published(product.id)
    wanted = list(dict.fromkeys(_wanted(model, req.Identifier, req.FunctionBlockId or None)))
    found = await ctx.service(DesiredPropertyService).read(device.id, wanted)
    infos = [_info(model.definitions[identifier], identifier, found.get(identifier)) for identifier in wanted]
    return QueryDeviceDesiredPropertyResponse(
        Data=DesiredPropertyData(List=DesiredPropertyValues(DesiredPropertyInfo=infos))
    )


def _object(text: str, name: str, kind: type[V]) -> V:
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SET_DEVICE_PROPERTY_FAILED(f"{name} is not a JSON object as documented.") from error


def _wanted(model: CompiledModel, identifiers: list[str], block_id: str | None) -> Iterable[str]:
    """Give the qualified identifiers that are asked for; those of a module may be named without it."""
    for module in model.modules:
        if (None if module.block is None else module.block.id) == block_id:
            break
    else:
        raise QUERY_DEVICE_ATTR_STATUS_FAILED(f"The published thing model has no module {block_id}.")
    if not identifiers:
        qualified = (module.qualified(prop.identifier) for prop in module.properties)
        yield from (identifier for identifier in qualified if is_writable(model, identifier))
        return
    for identifier in identifiers:
        name = identifier if ":" in identifier else module.qualified(identifier)
        if not is_writable(model, name):
            raise QUERY_DEVICE_ATTR_STATUS_FAILED(f"{identifier} is not a property that can be written.")
        yield name


def _info(prop: Property, identifier: str, desired: DesiredProperty | None) -> DesiredPropertyValue:
    """Return one property; one that was never set has version 0, and neither value nor time."""
    value = None if desired is None else desired.value
    return DesiredPropertyValue(
        Identifier=identifier,
        Name=prop.name,
        DataType=str(prop.type.__struct_config__.tag),
        Unit=getattr(prop.type, "unit", None),
        Version=0 if desired is None else desired.version,
        Value=value and _bare(value),
        Time=None if desired is None else str(desired.updated_at),
    )


def _bare(value: str) -> str:
    """Return a value as answers print it: texts bare, everything else as JSON."""
    return msgspec.json.decode(value, type=str) if value.startswith('"') else value
