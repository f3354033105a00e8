from pathlib import Path

import msgspec
import pytest

from thingplane.things.categories.library import CategoryError, CategoryLibrary
from thingplane.things.model.checks import CheckLevel
from thingplane.things.model.compiled import CompiledModel
from thingplane.things.model.thing_model_json import parse_thing_model_json, render_thing_model_json
from thingplane.things.model.tsl import check_size, parse_tsl, render_tsl
from thingplane.things.model.types import IntType

LIBRARY = CategoryLibrary()
KEYS = list(LIBRARY.names())


@pytest.mark.parametrize("key", KEYS)
def test_every_category_is_a_valid_model_in_both_texts(key: str) -> None:
    model = LIBRARY.model(key)
    assert model
    assert model.properties
    assert any(prop.required for prop in model.properties)
    assert not any(feature.custom for feature in (*model.properties, *model.events, *model.services))
    check_size(model)
    CompiledModel([model], CheckLevel.STRONG)
    assert parse_thing_model_json(render_thing_model_json(model, None)) == model
    as_custom = msgspec.json.encode(parse_tsl(render_tsl(model, "a1Example01")))
    assert msgspec.json.encode(model).replace(b',"custom":false', b"") == as_custom


def test_the_library_covers_common_fields() -> None:
    assert len(KEYS) >= 40
    wanted = {
        *("Lighting", "AirQualityMonitor", "ThreePhaseMeter", "SmokeDetector", "AirConditioner", "SoilSensor"),
        *("VehicleTracker", "IndustrialGateway", "BloodPressureMonitor", "WaterMeter", "Elevator", "ParkingBarrier"),
    }
    assert wanted <= set(KEYS)


def test_keys_and_names_are_told_apart_and_fit_the_columns() -> None:
    names = LIBRARY.names()
    assert len({key.lower() for key in names}) == len({name.lower() for name in names.values()}) == len(names)
    assert all(len(key) <= 64 and key.isalnum() for key in names)
    assert all(len(name) <= 128 for name in names.values())


def test_unknown_categories_have_neither_name_nor_model() -> None:
    assert (LIBRARY.name("Nothing"), LIBRARY.model("Nothing")) == (None, None)


def test_a_file_that_is_added_is_found(tmp_path: Path) -> None:
    (tmp_path / "units.toml").write_text('"%" = "Percent"\n', encoding="utf-8")
    (tmp_path / "mine.toml").write_text(
        '[Mine]\nname = "My thing"\n[Mine.properties]\nLevel = { name = "Level", int = [0, 9], unit = "%" }\n'
    )
    library = CategoryLibrary(tmp_path)
    assert library.names() == {"Mine": "My thing"}
    model = library.model("Mine")
    assert model
    assert model.properties[0].type == IntType(min="0", max="9", step="1", unit="%", unit_name="Percent")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('{ name = "Level", int = [9, 0] }', "must be smaller than max"),
        ('{ name = "Level", int = [0, 9], unit = "furlong" }', "no unit furlong"),
        ('{ name = "Level" }', "exactly one data type"),
        ('{ name = "Level", int = [0, 9], bool = ["a", "b"] }', "exactly one data type"),
        ('{ name = "Level", bool = ["Off"] }', "exactly the values 0 and 1"),
        ("{ int = [0, 9] }", "name"),
    ],
)
def test_a_broken_category_is_named(tmp_path: Path, entry: str, message: str) -> None:
    (tmp_path / "units.toml").write_text("")
    (tmp_path / "mine.toml").write_text(f'[Mine]\nname = "My thing"\n[Mine.properties]\nLevel = {entry}\n')
    with pytest.raises(CategoryError, match=f"category Mine: .*{message}"):
        CategoryLibrary(tmp_path).model("Mine")


def test_two_files_cannot_hold_the_same_category(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text('[Mine]\nname = "My thing"\n')
    with pytest.raises(CategoryError, match=r"b.toml: there is a category Mine already"):
        CategoryLibrary(tmp_path).names()
