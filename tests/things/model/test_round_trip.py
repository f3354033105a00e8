import json

from hypothesis import given

from tests.things.model.strategies import blocks, models
from thingplane.things.model.thing_model_json import parse_thing_model_json, render_thing_model_json
from thingplane.things.model.tsl import parse_tsl, render_tsl
from thingplane.things.model.types import ThingModel

PRODUCT_KEY = "a1Example01"


@given(models())
def test_model_survives_thing_model_json(model: ThingModel) -> None:
    assert parse_thing_model_json(render_thing_model_json(model, PRODUCT_KEY)) == model


@given(models())
def test_model_survives_tsl(model: ThingModel) -> None:
    assert parse_tsl(render_tsl(model, PRODUCT_KEY)) == model


@given(models(blocks))
def test_custom_module_survives_both_texts(model: ThingModel) -> None:
    assert parse_thing_model_json(render_thing_model_json(model, PRODUCT_KEY), model.block) == model
    assert parse_tsl(render_tsl(model, PRODUCT_KEY), model.block) == model


@given(models())
def test_thing_model_json_keys_are_sorted(model: ThingModel) -> None:
    text = render_thing_model_json(model, PRODUCT_KEY, "1.0", "first")
    assert text == json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@given(models())
def test_simple_tsl_has_only_identifiers_and_data_types(model: ThingModel) -> None:
    document = json.loads(render_tsl(model, PRODUCT_KEY, simple=True))
    assert all(set(prop) == {"identifier", "dataType"} for prop in document["properties"])
    assert all(set(event) == {"identifier", "outputData"} for event in document["events"])
    assert all(set(service) == {"identifier", "inputData", "outputData"} for service in document["services"])
    assert document["events"][0]["identifier"] == "post"
    assert [service["identifier"] for service in document["services"]][:2] == ["set", "get"]
