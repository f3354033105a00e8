import asyncio

import pytest

from tests.common.api import OTHER_INSTANCE
from tests.common.asgi import download
from tests.parsing.world import RawWorld
from tests.scripts import examples
from tests.telemetry.world import ON_ONE_DATABASE
from thingplane.scripts.pool import ScriptPool

SAMPLE = "function protocolToRawData(jsonObj) {return rawdata; }function rawDataToProtocol(rawData) {return jsonObj; }"


async def fetch(raw: RawWorld, url: str, method: str = "GET") -> tuple[int, bytes]:
    """Fetch an address of a script."""
    return await download(raw.downloads, url, method)


async def test_a_script_is_created_changed_and_fetched(raw: RawWorld) -> None:
    assert (await raw.call("CreateThingScript", ScriptContent=SAMPLE, ScriptType="JavaScript"))["Success"] is True
    data = (await raw.call("GetThingScript"))["Data"]
    assert data["ScriptType"] == "JavaScript"
    assert data["ScriptUrl"].startswith("http://127.0.0.1:8080/thing-scripts/")
    assert await fetch(raw, data["ScriptUrl"]) == (200, SAMPLE.encode())
    source = "# ü\n" + examples.PYTHON
    assert (await raw.call("UpdateThingScript", ScriptContent=source, ScriptType="Python_27"))["Success"] is True
    data = (await raw.call("GetThingScript"))["Data"]
    assert data["ScriptType"] == "Python_27"
    assert await fetch(raw, data["ScriptUrl"]) == (200, source.encode())


async def test_a_product_has_one_script(raw: RawWorld) -> None:
    answers = await asyncio.gather(
        *(raw.call("CreateThingScript", ScriptContent=f"// {number}", ScriptType="JavaScript") for number in range(5))
    )
    assert [answer.get("Code") for answer in answers].count("iot.prod.ThingScriptExisted") == 4
    assert [answer["Success"] for answer in answers].count(True) == 1


async def test_a_product_without_script_has_none_to_get_or_change(raw: RawWorld) -> None:
    assert (await raw.call("GetThingScript"))["Code"] == "iot.common.FileNotExist"
    answer = await raw.call("UpdateThingScript", ScriptContent=SAMPLE, ScriptType="JavaScript")
    assert answer["Code"] == "iot.common.FileNotExist"
    assert await raw.world.parsing.script(raw.product.id) is None


@pytest.mark.parametrize("action", ["CreateThingScript", "UpdateThingScript"])
@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ScriptType": "Ruby"}, "iot.prod.InvalidScriptType"),
        ({"ScriptType": ""}, "iot.prod.InvalidScriptType"),
        ({"ScriptType": "javascript"}, "iot.prod.InvalidScriptType"),
        ({"ScriptContent": ""}, "iot.common.InvalidFormattedParameter"),
        ({"ScriptContent": " \n"}, "iot.common.InvalidFormattedParameter"),
        ({"ScriptContent": "/" * (128 * 1024 + 1)}, "iot.common.InvalidFormattedParameter"),
        ({"ScriptContent": "ü" * (64 * 1024 + 1)}, "iot.common.InvalidFormattedParameter"),
        ({"ProductKey": ""}, "iot.prod.NullProductKey"),
        ({"ProductKey": "a1Unknown00"}, "iot.prod.NotExistedProduct"),
        ({"IotInstanceId": OTHER_INSTANCE.instance_id}, "iot.prod.NotExistedProduct"),
    ],
)
async def test_bad_parameters_change_nothing(raw: RawWorld, action: str, changes: dict[str, str], code: str) -> None:
    parameters = {"ScriptContent": SAMPLE, "ScriptType": "JavaScript"}
    assert (await raw.call(action, **(parameters | changes)))["Code"] == code
    assert await raw.world.parsing.script(raw.product.id) is None


@ON_ONE_DATABASE
async def test_the_longest_script_is_accepted(raw: RawWorld) -> None:
    await raw.write("/" * (128 * 1024))


@ON_ONE_DATABASE
@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"data_format": 1}, "iot.prod.ThingScriptDataFormatError"),
        ({"senior": False, "data_format": None}, "iot.prod.ProductDataFormatIsNull"),
        ({"senior": False, "data_format": 0}, "iot.prod.NotSeniorProduct"),
    ],
)
async def test_products_that_cannot_have_a_script(raw: RawWorld, options: dict[str, object], code: str) -> None:
    product = await raw.world.add_product("Other", **options)
    for action in ("CreateThingScript", "UpdateThingScript"):
        answer = await raw.call(action, ProductKey=product.product_key, ScriptContent=SAMPLE, ScriptType="JavaScript")
        assert answer["Code"] == code
    assert (await raw.call("GetThingScript", ProductKey=product.product_key))["Code"] == "iot.common.FileNotExist"


@ON_ONE_DATABASE
async def test_php_without_interpreter_is_refused_with_the_package_to_install(raw: RawWorld) -> None:
    raw.world.parsing._pool = ScriptPool(2, php="")
    answer = await raw.call("CreateThingScript", ScriptContent=examples.PHP, ScriptType="PHP_72")
    assert answer["Code"] == "iot.prod.InvalidScriptType"
    assert "php-cli" in answer["ErrorMessage"]


async def test_a_script_goes_with_its_product(raw: RawWorld) -> None:
    product = await raw.world.add_product("Empty", data_format=0)
    parameters = {"ProductKey": product.product_key}
    await raw.call("CreateThingScript", ScriptContent=SAMPLE, ScriptType="JavaScript", **parameters)
    url = (await raw.call("GetThingScript", **parameters))["Data"]["ScriptUrl"]
    await raw.world.products.delete(product)
    assert await raw.world.parsing.script(product.id) is None
    assert (await fetch(raw, url))[0] == 404


@ON_ONE_DATABASE
async def test_addresses_of_scripts_are_signed_and_expire(raw: RawWorld) -> None:
    await raw.write()
    url = (await raw.call("GetThingScript"))["Data"]["ScriptUrl"]
    assert (await fetch(raw, url, "POST"))[0] == 405
    other = await raw.world.add_product("Other", data_format=0)
    for forged in (
        url.replace(f"/{raw.product.id}?", f"/{other.id}?"),
        url[:-1] + ("0" if url[-1] != "0" else "1"),
        url.split("?")[0],
        url.replace("Expires=", "Expires=9"),
        url.split("?")[0] + "?Expires=x&Signature=%C3%BC",
    ):
        assert (await fetch(raw, forged))[0] == 403
    raw.world.clock.advance(3601)
    status, text = await fetch(raw, url)
    assert (status, b"expired" in text) == (403, True)
