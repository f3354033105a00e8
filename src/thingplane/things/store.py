"""Rows of thing models. Every function works inside the caller's transaction."""

from __future__ import annotations

import msgspec
from msgspec import Struct
from sqlalchemy import delete, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.things.model.types import EMPTY, ThingModel
from thingplane.things.tables import thing_model_versions, thing_models

Modules = tuple[ThingModel, ...]
"""Modules of a product: the default module, then the custom modules in the order of their creation."""

_decoder = msgspec.json.Decoder(Modules)


class VersionInfo(Struct, frozen=True):
    """A published version without its content."""

    version: str
    description: str | None
    published_at: int
    """UTC milliseconds."""


class Version(VersionInfo, frozen=True):
    """A published version."""

    modules: Modules


async def insert_draft(connection: AsyncConnection, product_id: int, modules: Modules, now: int) -> None:
    """Adds the draft of a new product."""
    values = {"product_id": product_id, "draft": _encode(modules), "changed_at": now}
    await connection.execute(insert(thing_models).values(values))


async def read_draft(connection: AsyncConnection, product_id: int) -> Modules | None:
    """The draft of a product, None when the product has no thing model. Who edits it locks the product first."""
    query = select(thing_models.c.draft).where(thing_models.c.product_id == product_id)
    text = (await connection.execute(query)).scalar_one_or_none()
    return None if text is None else _decoder.decode(text)


async def write_draft(connection: AsyncConnection, product_id: int, modules: Modules, now: int) -> None:
    """Replaces a draft."""
    where = thing_models.c.product_id == product_id
    await connection.execute(update(thing_models).where(where).values(draft=_encode(modules), changed_at=now))


async def insert_version(connection: AsyncConnection, product_id: int, version: Version, keep: int) -> None:
    """Adds a version and forgets all but the newest `keep`."""
    table = thing_model_versions
    await connection.execute(
        insert(table).values(
            product_id=product_id,
            version=version.version,
            description=version.description,
            modules=_encode(version.modules),
            published_at=version.published_at,
        )
    )
    newest = select(table.c.id).where(table.c.product_id == product_id).order_by(table.c.id.desc()).limit(keep)
    ids = (await connection.execute(newest)).scalars().all()
    await connection.execute(delete(table).where(table.c.product_id == product_id, table.c.id < ids[-1]))


async def read_version(connection: AsyncConnection, product_id: int, version: str | None) -> Version | None:
    """A published version, or the newest one when `version` is None; None when there is none."""
    table = thing_model_versions
    query = select(table).where(table.c.product_id == product_id).order_by(table.c.id.desc()).limit(1)
    if version is not None:
        query = query.where(table.c.version == version)
    row = (await connection.execute(query)).first()
    if row is None:
        return None
    return Version(row.version, row.description, row.published_at, _decoder.decode(row.modules))


async def list_versions(connection: AsyncConnection, product_id: int) -> list[VersionInfo]:
    """The published versions that are kept, newest first."""
    table = thing_model_versions
    query = (
        select(table.c.version, table.c.description, table.c.published_at)
        .where(table.c.product_id == product_id)
        .order_by(table.c.id.desc())
    )
    return [VersionInfo(*row) for row in await connection.execute(query)]


async def delete_all(connection: AsyncConnection, product_id: int) -> None:
    """Removes draft and versions of a product."""
    await connection.execute(delete(thing_model_versions).where(thing_model_versions.c.product_id == product_id))
    await connection.execute(delete(thing_models).where(thing_models.c.product_id == product_id))


async def copy_all(connection: AsyncConnection, original_id: int, copy_id: int) -> None:
    """Gives a product the draft and the versions of another one, in place of its own."""
    await delete_all(connection, copy_id)
    for table in (thing_models, thing_model_versions):
        columns = [column for column in table.c if column.name not in {"id", "product_id"}]
        rows = select(literal(copy_id), *columns).where(table.c.product_id == original_id)
        if "id" in table.c:
            rows = rows.order_by(table.c.id)
        await connection.execute(insert(table).from_select(["product_id", *(column.name for column in columns)], rows))


EMPTY_MODULES: Modules = (EMPTY,)


def _encode(modules: Modules) -> str:
    return msgspec.json.encode(modules).decode()
