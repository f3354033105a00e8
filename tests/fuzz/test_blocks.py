"""Whatever blocks a device sends, what it gets in the end is what it sent: against a model of the rules."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec
import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.common.clock import FakeClock
from tests.common.uplinks import Messages
from tests.fuzz.mutation import lines
from thingplane.alink.frames import write_frame
from thingplane.bus import LocalBus
from thingplane.cloud import Services
from thingplane.devices.service import Device, DeviceService
from thingplane.files.block_uploads import BlockUploads
from thingplane.files.device import handlers
from thingplane.files.service import FileService
from thingplane.products.service import NewProduct, ProductService
from thingplane.storage.blobs import LocalBlobStore
from thingplane.storage.database import Database, metadata
from thingplane.storage.migrate import load_tables

SIZE: Final = 600
SMALLEST: Final = 256
LARGEST: Final = 128 * 1024
CONTENT: Final = bytes(number % 253 for number in range(LARGEST + 1))
PREFIX: Final = "thing/file/upload/mqtt/"


class Block(NamedTuple):
    offset: int
    size: int
    broken: bool = False
    last: bool = False
    again: bool = False


def parse(line: str) -> list[Block]:
    blocks = []
    for text in line.split(", "):
        offset, size, *flags = text.split()
        blocks.append(Block(int(offset), int(size), "b" in flags, "e" in flags, "r" in flags))
    return blocks


offsets = st.one_of(st.sampled_from([0, 256, 300, 512, SIZE]), st.integers(0, SIZE + 50))
sizes = st.one_of(st.sampled_from([0, 1, 88, 100, 256, 300, LARGEST, LARGEST + 1]), st.integers(0, SIZE))
rarely = st.integers(0, 5).map(lambda number: number == 0)
scripts = st.lists(st.builds(Block, offsets, sizes, rarely, rarely, rarely), max_size=8)


class Model:
    """The rules of blocks (device-protocol reference, 8.6), written down once more."""

    def __init__(self, size: int | None) -> None:
        self.size = size
        self.received = 0
        self.content = b""
        self.finished = False

    def take(self, block: Block) -> int:
        data = CONTENT[block.offset : block.offset + block.size]
        end = block.offset + len(data)
        if block.broken and data:
            return 78121
        if len(data) > LARGEST:
            return 78118
        if self.finished:
            return 78124
        if data and end <= self.received:
            return 78126
        if block.offset != self.received:
            return 78119
        if self.size is not None and end > self.size:
            return 460
        last = block.last if self.size is None else end == self.size
        if not last and len(data) < SMALLEST:
            return 78120
        self.received = end
        self.content += data
        self.finished = last
        return 200


class Sender:
    """A device, and the services that take its files."""

    def __init__(self, runner: asyncio.Runner, folder: Path) -> None:
        self._runner = runner
        self._folder = folder
        self.messages: Messages
        self.files: FileService
        self.database = Database(f"sqlite:///{folder / 'metadata.sqlite3'}")
        self.device: Device
        self.uploads = 0

    async def start(self) -> None:
        load_tables()
        async with self.database.write() as connection:
            await connection.run_sync(metadata.create_all)
        clock, bus = FakeClock(), LocalBus()
        products = ProductService(self.database, clock, bus)
        devices = DeviceService(self.database, clock, bus, products)
        self.files = FileService(self.database, clock, bus, devices, LocalBlobStore(self._folder / "blobs"))
        self.device = await devices.register(await products.create(1, NewProduct(name="Camera", node_type=0)), "camera")
        services = Services(BlockUploads(self.database, self.files), devices)
        self.messages = Messages(clock, self.device, handlers(services))

    def ask(self, what: str, payload: bytes) -> tuple[int, dict[str, object]]:
        reply = msgspec.json.decode(self._runner.run(self.messages.ask(PREFIX + what, payload)))
        return reply["code"], reply["data"]

    def send(self, upload_id: str, block: Block) -> tuple[int, dict[str, object]]:
        data = CONTENT[block.offset : block.offset + block.size]
        params = {"uploadId": upload_id, "offset": block.offset, "bSize": len(data), "isComplete": block.last}
        frame = bytearray(write_frame(msgspec.json.encode({"id": "1", "params": params}), data))
        if block.broken and data:
            frame[-3] ^= 0x10
        return self.ask("send", bytes(frame))

    def stored(self, name: str) -> int | None:
        files, _ = self._runner.run(self.files.page(self.device, 1, 1000))
        return next((file.size for file in files if file.name == name), None)


@pytest.fixture(scope="module")
def sender(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sender]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        made = Sender(runner, tmp_path_factory.mktemp("files"))
        runner.run(made.start())
        yield made
        runner.run(made.database.close())


@settings(max_examples=60)
@given(scripts, st.booleans())
def test_blocks_by_the_rules(sender: Sender, blocks: list[Block], unknown: bool) -> None:
    play(sender, blocks, unknown=unknown)


@pytest.mark.parametrize("unknown", [False, True])
def test_the_corpus_as_it_is(sender: Sender, unknown: bool) -> None:
    for line in lines("blocks.txt"):
        play(sender, parse(line), unknown=unknown)


def play(sender: Sender, blocks: list[Block], *, unknown: bool) -> None:
    """Send blocks of a new upload, and compare every answer with the model's."""
    name = "a.log"
    init = {"fileName": name, "fileSize": -1 if unknown else SIZE}
    code, begun = sender.ask("init", msgspec.json.encode({"id": "1", "params": init}))
    assert code == 200
    upload_id = str(begun["uploadId"])
    model = Model(None if unknown else SIZE)
    for block in blocks:
        for _ in range(1 + block.again):
            before = model.finished
            expected = model.take(block)
            code, data = sender.send(upload_id, block)
            assert code == expected
            assert data.get("complete", False) == (model.finished and not before)
    if model.finished:
        assert sender.stored(name) == len(model.content)
        assert model.content == CONTENT[: len(model.content)]
