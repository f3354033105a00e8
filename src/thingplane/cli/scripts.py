"""``thingplane script``: trying data-parsing scripts without a node, and giving them to products."""

import asyncio
import shutil
import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from thingplane.bus import LocalBus
from thingplane.cli import CommandError
from thingplane.cli.database import with_database
from thingplane.cli.target import DataDir
from thingplane.clock import SystemClock
from thingplane.cloud import BusinessError
from thingplane.parsing.service import ParsingService
from thingplane.products.service import ProductService
from thingplane.scripts.language import Function, Language
from thingplane.scripts.outcome import Outcome
from thingplane.scripts.pool import ScriptPool
from thingplane.scripts.process import Script
from thingplane.storage.database import Database

app = App(name="script", help="Try data-parsing scripts, and give them to products.")

_BY_SUFFIX = {".js": "JavaScript", ".py": "Python_27", ".php": "PHP_72"}

LanguageName = Annotated[str | None, Parameter(help="JavaScript, Python_27 or PHP_72 [default: by the suffix of FILE]")]


@app.command(name="test")
def try_script(
    file: Annotated[Path, Parameter(help="the script")],
    *,
    language: LanguageName = None,
    raw: Annotated[str | None, Parameter(name="--bytes", help="bytes of a device, such as 0x00ff")] = None,
    json: Annotated[str | None, Parameter(help="Alink message to turn into bytes")] = None,
    topic: Annotated[str | None, Parameter(help="with --bytes: custom topic that they come from")] = None,
) -> int:
    """Run a script as a node does, and show the result, the time it took, and what it printed.

    With --bytes the script turns bytes into a message, with --json a message into bytes.
    """
    script = Script(_language(language, file), _read(file))
    function, arguments = _call(raw, json, topic)
    outcome, again = asyncio.run(_run(script, function, arguments))
    for line in outcome.printed.splitlines():
        print(f"| {line}")
    if outcome.fault is not None:
        print(f"failed ({int(outcome.fault)}): {outcome.reason}", file=sys.stderr)
        return 1
    print(_shown(function, outcome.result))
    print(f"{outcome.elapsed_us / 1000:.3f} ms, again {again.elapsed_us / 1000:.3f} ms", file=sys.stderr)
    return 0


@app.command(name="set")
def set_script(
    product_key: Annotated[str, Parameter(help="ProductKey")],
    file: Annotated[Path, Parameter(help="the script")],
    *,
    language: LanguageName = None,
    data_dir: DataDir = None,
) -> None:
    """Give a product a script, or another one. A running node notices within seconds.

    CreateThingScript does the same for products with a data format of their own. Those whose devices speak Alink can
    have one as well, for custom topics: it is asked for with ?_sn=default behind the topic.
    """
    script = Script(_language(language, file), _read(file))

    async def put(database: Database) -> None:
        clock, bus = SystemClock(), LocalBus()
        products = ProductService(database, clock, bus)
        product = await products.find(product_key)
        if product is None:
            raise CommandError(f"there is no product {product_key}")
        pool = ScriptPool(2, shutil.which("php") or "")
        try:
            await ParsingService(database, clock, bus, products, pool).put(product, script)
        except BusinessError as error:
            raise CommandError(error.message) from None
        finally:
            await pool.close()

    with_database(data_dir, put)


async def _run(script: Script, function: Function, arguments: bytes) -> tuple[Outcome, Outcome]:
    pool = ScriptPool(2, shutil.which("php") or "")
    try:
        # The second time shows what messages take once the script is in memory.
        outcomes = [await pool.run(0, script, function, arguments) for _ in range(2)]
    except OSError as error:
        raise CommandError(f"the script cannot be run: {error.strerror}") from None
    finally:
        await pool.close()
    return outcomes[0], outcomes[1]


def _language(name: str | None, file: Path) -> Language:
    name = name or _BY_SUFFIX.get(file.suffix)
    if name is None:
        raise CommandError(f"{file}: name the --language: JavaScript, Python_27 or PHP_72")
    try:
        return Language(name)
    except ValueError:
        raise CommandError(f"{name!r} is no language of scripts: JavaScript, Python_27 or PHP_72") from None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise CommandError(f"{file}: not UTF-8") from None


def _call(raw: str | None, message: str | None, topic: str | None) -> tuple[Function, bytes]:
    if (raw is None) == (message is None):
        raise CommandError("give either --bytes or --json")
    encode = msgspec.json.encode
    if message is not None:
        try:
            return Function.ENCODE, encode([msgspec.json.decode(message)])
        except msgspec.DecodeError as error:
            raise CommandError(f"--json: {error}") from None
    try:
        payload = bytes.fromhex((raw or "").removeprefix("0x"))
    except ValueError:
        raise CommandError(f"--bytes: {raw!r} is not hexadecimal, such as 0x00ff") from None
    if topic is None:
        return Function.DECODE, encode([list(payload)])
    return Function.TRANSFORM, encode([topic, list(payload)])


def _shown(function: Function, result: bytes) -> str:
    """Return a result as the console of the vendor shows it: an indented message, or bytes in hexadecimal."""
    if function is not Function.ENCODE:
        return msgspec.json.format(result, indent=2).decode()
    try:
        return "0x" + bytes(number & 0xFF for number in msgspec.json.decode(result, type=list[int])).hex()
    except msgspec.ValidationError:
        raise CommandError(f"the script did not return an array of bytes, but {result[:200].decode()}") from None
