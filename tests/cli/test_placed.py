"""Commands about a product mean the original, unless they name an instance to which it was distributed."""

import asyncio
from pathlib import Path

import pytest

from tests.common.clock import FakeClock
from thingplane.bus import LocalBus
from thingplane.cli import CommandError, config, jobs, products
from thingplane.instances.service import InstanceDirectory
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.storage.database import Database, metadata_url
from thingplane.storage.migrate import migrate

KEY = "a1b2c3d4e5f"
THERE = "iot-other"


def both(data_dir: Path, *, make: bool = False) -> tuple[Product, Product]:
    """Return a product and its copy."""

    async def read() -> tuple[Product, Product]:
        database = Database(metadata_url(data_dir, ""))
        service = ProductService(database, FakeClock(), LocalBus())
        if make:
            await migrate(database)
            other = await InstanceDirectory(database, FakeClock()).create(THERE)
            new = NewProduct(name="Lamp", node_type=0, senior=True)
            await service.copy(await service.create(1, new, product_key=KEY), other.id)
        original, copy = await service.find(KEY), await service.find(KEY, 2)
        await database.close()
        assert original is not None
        assert copy is not None
        return original, copy

    return asyncio.run(read())


def test_a_command_changes_the_product_of_the_instance_that_it_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both(tmp_path, make=True)
    products.dynamic_register(KEY, "on", instance=THERE, data_dir=tmp_path)
    products.check(KEY, "full", data_dir=tmp_path)
    original, copy = both(tmp_path)
    assert (original.dynamic_register, original.validate_type) == (False, 0)
    assert (copy.dynamic_register, copy.validate_type) == (True, 1)
    file = tmp_path / "config.json"
    file.write_text("{}")
    config.save(KEY, file, instance=THERE, data_dir=tmp_path)
    capsys.readouterr()
    config.show(KEY, data_dir=tmp_path)
    assert "Sha256" not in capsys.readouterr().out
    config.show(KEY, instance=THERE, data_dir=tmp_path)
    assert "Sha256" in capsys.readouterr().out
    jobs.show(KEY, instance="iot-default", data_dir=tmp_path)
    with pytest.raises(CommandError, match="iot-nowhere"):
        jobs.show(KEY, instance="iot-nowhere", data_dir=tmp_path)
    with pytest.raises(CommandError, match="no product nobody in iot-other"):
        jobs.show("nobody", instance=THERE, data_dir=tmp_path)
