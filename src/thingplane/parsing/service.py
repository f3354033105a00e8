"""Scripts of products: keeping them, and running them on messages."""

from typing import Annotated, Any, Final

import msgspec
from sqlalchemy import delete, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from thingplane.bus import Bus
from thingplane.clock import Clock
from thingplane.cloud.errors import INVALID_FORMATTED_PARAMETER
from thingplane.parsing import errors
from thingplane.parsing.errors import ParsingError
from thingplane.parsing.tables import thing_scripts
from thingplane.products.errors import NOT_SENIOR_PRODUCT, UPDATE_PRODUCT_FAILED
from thingplane.products.service import Product, ProductChanged, ProductDeleted, ProductsChanged, ProductService
from thingplane.scripts.language import Function, Language
from thingplane.scripts.outcome import Fault
from thingplane.scripts.pool import ScriptPool
from thingplane.scripts.process import Script
from thingplane.storage.database import Database

__all__ = ["ParsingError", "ParsingService", "ScriptChanged"]

MAX_BYTES: Final = 128 * 1024
"""Longest script (device-protocol, 12)."""
SCRIPT_MISSING: Final = 6200
CUSTOM_FORMAT: Final = 0
"""Data format of products whose devices speak a protocol of their own."""

_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
# Scripts may hand out bytes with a sign.
_decode_bytes = msgspec.json.Decoder(list[Annotated[int, msgspec.Meta(ge=-128, le=255)]]).decode


class ScriptChanged(msgspec.Struct, frozen=True):
    """A product's script was created or changed."""

    product_id: int


class ParsingService:
    """The scripts of all products, with a cache of those in use."""

    def __init__(self, database: Database, clock: Clock, bus: Bus, products: ProductService, pool: ScriptPool) -> None:
        """Start with an empty cache.

        Args:
            database: where scripts are kept.
            clock: tells when they change.
            bus: carries ``ScriptChanged``, and tells of deleted products and of changes by other processes.
            products: finds products.
            pool: runs scripts.
        """
        self._database = database
        self._clock = clock
        self._bus = bus
        self._products = products
        self._pool = pool
        self._scripts: dict[int, Script | None] = {}
        self._invalidations = 0
        bus.subscribe(ScriptChanged, lambda event: self._forget(event.product_id))
        bus.subscribe(ProductDeleted, lambda event: self._forget(event.product_id))
        # A product that was distributed gets the script of its original with every change.
        bus.subscribe(ProductChanged, lambda event: self._forget(event.product_id))
        products.on_copy.append(_copy)
        bus.subscribe(ProductsChanged, self._forget_all)

    def _forget_all(self, _event: ProductsChanged) -> None:
        self._invalidations += 1
        self._scripts.clear()

    def _forget(self, product_id: int) -> None:
        self._invalidations += 1
        self._scripts.pop(product_id, None)
        self._pool.forget(product_id)

    # Keeping scripts.

    async def create(self, instance_id: int, product_key: str, script: Script) -> None:
        """Give a product its script.

        Raises:
            BusinessError: iot.prod.NotExistedProduct, iot.prod.ProductDataFormatIsNull,
                iot.prod.ThingScriptDataFormatError, iot.prod.NotSeniorProduct, iot.prod.UpdateProductFailed for one
                that was distributed here, iot.prod.InvalidScriptType for a language that this node cannot run,
                iot.common.InvalidFormattedParameter, iot.prod.ThingScriptExisted.
        """
        product = await self._changeable(instance_id, product_key, script)
        async with self._database.write() as connection:
            await self._products.locked(connection, product.id)
            query = select(thing_scripts.c.product_id).where(thing_scripts.c.product_id == product.id)
            if (await connection.execute(query)).first() is not None:
                raise errors.THING_SCRIPT_EXISTED()
            await connection.execute(insert(thing_scripts).values(product_id=product.id, **self._values(script)))
        self._bus.publish(ScriptChanged(product.id))

    async def update(self, instance_id: int, product_key: str, script: Script) -> None:
        """Replace a product's script; messages that arrive from now on get the new one.

        Raises:
            BusinessError: as ``create`` except the last, and iot.common.FileNotExist.
        """
        product = await self._changeable(instance_id, product_key, script)
        change = update(thing_scripts).where(thing_scripts.c.product_id == product.id).values(self._values(script))
        async with self._database.write() as connection:
            if (await connection.execute(change)).rowcount == 0:
                raise errors.FILE_NOT_EXIST("The product has no script to update: create it.")
        self._bus.publish(ScriptChanged(product.id))

    async def put(self, product: Product, script: Script) -> None:
        """Give any product its script, or another one; the command line does it from another process.

        On custom topics also devices that speak Alink may ask for a script (device-protocol, 11.3), but no operation
        gives their products one.

        Raises:
            BusinessError: iot.prod.NotExistedProduct, iot.prod.InvalidScriptType, iot.common.InvalidFormattedParameter.
        """
        self._check(script)
        values = self._values(script)
        async with self._database.write() as connection:
            await self._products.locked(connection, product.id)
            mine = thing_scripts.c.product_id == product.id
            if (await connection.execute(update(thing_scripts).where(mine).values(values))).rowcount == 0:
                await connection.execute(insert(thing_scripts).values(product_id=product.id, **values))
            await self._products.tell(connection)
        self._bus.publish(ScriptChanged(product.id))

    async def get(self, instance_id: int, product_key: str) -> Script:
        """Return a product's script.

        Raises:
            BusinessError: iot.prod.NotExistedProduct, iot.common.FileNotExist.
        """
        product = await self._products.get(instance_id, product_key)
        script = await self.script(product.id)
        if script is None:
            raise errors.FILE_NOT_EXIST()
        return script

    async def script(self, product_id: int) -> Script | None:
        """Return the script of a product, if it has one."""
        if product_id in self._scripts:
            return self._scripts[product_id]
        invalidations = self._invalidations
        query = select(thing_scripts.c.language, thing_scripts.c.content).where(
            thing_scripts.c.product_id == product_id
        )
        async with self._database.read() as connection:
            row = (await connection.execute(query)).first()
        script = None if row is None else Script(Language(row.language), row.content)
        # What was read before a change must not enter the cache after it.
        if invalidations == self._invalidations:
            self._scripts[product_id] = script
        return script

    async def _changeable(self, instance_id: int, product_key: str, script: Script) -> Product:
        product = await self._products.get(instance_id, product_key)
        if product.data_format is None:
            raise errors.PRODUCT_DATA_FORMAT_IS_NULL()
        if product.data_format != CUSTOM_FORMAT:
            raise errors.THING_SCRIPT_DATA_FORMAT_ERROR()
        if not product.senior:
            raise NOT_SENIOR_PRODUCT()
        if product.source_id is not None:
            raise UPDATE_PRODUCT_FAILED(
                "The product was distributed to this instance: change its script where it comes from."
            )
        self._check(script)
        return product

    def _check(self, script: Script) -> None:
        missing = self._pool.missing(script.language)
        if missing is not None:
            raise errors.INVALID_SCRIPT_TYPE(missing)
        if not script.source.strip() or len(script.source.encode()) > MAX_BYTES:
            raise INVALID_FORMATTED_PARAMETER(f"ScriptContent must be a script of at most {MAX_BYTES} bytes.")

    def _values(self, script: Script) -> dict[str, Any]:
        now = self._clock.now_ms()
        return {"language": script.language.value, "content": script.source, "changed_at": now}

    # Running scripts. All of them raise ParsingError: 6200 without a script, the script's faults otherwise.

    async def decode(self, product_id: int, payload: bytes) -> bytes:
        """Return the Alink message that a device meant, as JSON text of an object.

        Raises:
            ParsingError: there is none.
        """
        return await self._object(product_id, Function.DECODE, b"[%b]" % _numbers(payload))

    async def encode(self, product_id: int, message: bytes) -> bytes:
        """Return the bytes that stand for an Alink message (a reply or a request to the device).

        Args:
            product_id: whose script does it.
            message: JSON text of an object.

        Raises:
            ParsingError: there are none; 6201 when the script decided to return nothing.
        """
        result = await self._run(product_id, Function.ENCODE, b"[%b]" % message)
        try:
            numbers = _decode_bytes(result)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ParsingError(Fault.WRONG_TYPE, "the script did not return an array of bytes") from error
        if not numbers:
            raise ParsingError(Fault.NOTHING, "the script returned nothing")
        return bytes(number & 0xFF for number in numbers)

    async def transform(self, product_id: int, topic: str, payload: bytes) -> bytes:
        """Return what stands for a message on a custom topic, as JSON text of an object.

        Raises:
            ParsingError: nothing does.
        """
        arguments = b"[%b,%b]" % (msgspec.json.encode(topic), _numbers(payload))
        return await self._object(product_id, Function.TRANSFORM, arguments)

    async def _object(self, product_id: int, function: Function, arguments: bytes) -> bytes:
        result = await self._run(product_id, function, arguments)
        # An empty array is what PHP makes of an empty object.
        if result in {b"{}", b"[]"}:
            raise ParsingError(Fault.NOTHING, "the script returned an empty object")
        try:
            _decode_object(result)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ParsingError(Fault.WRONG_TYPE, "the script did not return an object") from error
        return result

    async def _run(self, product_id: int, function: Function, arguments: bytes) -> bytes:
        script = await self.script(product_id)
        if script is None:
            raise ParsingError(SCRIPT_MISSING, "the product has no data-parsing script")
        outcome = await self._pool.run(product_id, script, function, arguments)
        if outcome.fault is not None:
            raise ParsingError(outcome.fault, outcome.reason, stopped=outcome.stopped)
        return outcome.result


async def _copy(connection: AsyncConnection, original: Product, copy: Product) -> None:
    """Give a product that was distributed the script of its original, or none."""
    await connection.execute(delete(thing_scripts).where(thing_scripts.c.product_id == copy.id))
    columns = [column for column in thing_scripts.c if column.name != "product_id"]
    rows = select(literal(copy.id), *columns).where(thing_scripts.c.product_id == original.id)
    names = ["product_id", *(column.name for column in columns)]
    await connection.execute(insert(thing_scripts).from_select(names, rows))


def _numbers(payload: bytes) -> bytes:
    """Return the JSON array of bytes; unsigned, so that also scripts that do not mask with 0xFF are right."""
    return b"[%b]" % ",".join(map(str, payload)).encode()
