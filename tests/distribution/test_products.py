"""Products that are distributed: what their copies have, and what can be done with them."""

import asyncio

import pytest

from tests.common.api import DEFAULT_INSTANCE, OTHER_INSTANCE
from tests.distribution.conftest import HERE, LAMP, THERE, World
from thingplane.cloud.errors import BusinessError
from thingplane.products.service import NewProduct
from thingplane.scripts.language import Language
from thingplane.scripts.process import Script

PROPERTY = """{"properties": [{"identifier": "power", "name": "Power", "dataType": "INT", "rwFlag": "READ_WRITE",
  "dataSpecs": {"dataType": "INT", "max": "10", "min": "0", "step": "1"}, "required": false, "custom": true}]}"""


async def test_a_copy_has_key_secret_model_script_and_topics_of_its_original(world: World) -> None:
    product = world.product
    await world.models.add(product, PROPERTY, None)
    await world.models.publish(product, "1.0", "first")
    await world.topics.create(product, "submit", "PUB")
    await world.parsing.put(product, Script(Language.JAVASCRIPT, "// nothing"))
    answer = await world.place()
    assert set(answer) == {"JobId", "RequestId", "Success"}
    await world.distribution.done()
    copy = await world.products.get(OTHER_INSTANCE.id, product.product_key)
    assert copy.id != product.id
    assert (copy.product_secret, copy.name, copy.source_id) == (product.product_secret, product.name, product.id)
    assert (await world.models.draft(copy)) == (await world.models.draft(product))
    assert next(each.version for each in await world.models.versions(copy)) == "1.0"
    assert (await world.models.published(copy.id)).version == "1.0"
    names = [[category.name for category in await world.topics.list(each.id)] for each in (product, copy)]
    assert names[0] == names[1]
    assert "user/submit" in names[1]
    assert await world.parsing.script(copy.id) == Script(Language.JAVASCRIPT, "// nothing")
    # It is an original where it comes from.
    assert await world.products.find(product.product_key) == product
    assert await world.products.get(DEFAULT_INSTANCE.id, product.product_key) == product
    assert await world.result(answer["JobId"]) == [
        {"ProductKey": product.product_key, "TargetInstanceId": THERE, "Code": "200", "Message": "success"}
    ]


async def test_model_and_script_of_a_copy_are_read_only_until_it_is_distributed_again(world: World) -> None:
    raw = await world.products.create(1, NewProduct(name="Raw_lamp", node_type=0, senior=True, data_format=0))
    world.product = raw
    copy = await world.placed()
    for change in (
        world.models.add(copy, PROPERTY, None),
        world.models.publish(copy, None, None),
        world.parsing.create(OTHER_INSTANCE.id, raw.product_key, Script(Language.JAVASCRIPT, "// mine")),
    ):
        with pytest.raises(BusinessError, match="UpdateProductFailed"):
            await change
    await world.models.add(raw, PROPERTY, None)
    await world.models.publish(raw, "2.0", None)
    await world.parsing.put(raw, Script(Language.JAVASCRIPT, "// new"))
    await world.products.set_status(raw, "RELEASE_STATUS")
    assert (await world.models.published(copy.id)).version != "2.0"
    assert await world.parsing.script(copy.id) is None
    await world.products.rename(copy, "Its_own_name", None)
    again = await world.placed()
    assert (again.id, again.name, again.status) == (copy.id, "Its_own_name", "RELEASE_STATUS")
    assert (await world.models.published(copy.id)).version == "2.0"
    assert await world.parsing.script(copy.id) == Script(Language.JAVASCRIPT, "// new")


async def test_topics_of_a_copy_are_its_own(world: World) -> None:
    copy = await world.placed()
    await world.topics.create(copy, "submit", "PUB")
    await world.topics.create(world.product, "other", "PUB")
    await world.placed()
    assert "user/submit" in {category.name for category in await world.topics.list(copy.id)}
    assert "user/other" not in {category.name for category in await world.topics.list(copy.id)}


async def test_an_original_stays_as_long_as_it_has_copies(world: World) -> None:
    copy = await world.placed()
    with pytest.raises(BusinessError, match="UpdateProductFailed"):
        await world.products.delete(world.product)
    await world.products.delete(copy)
    assert await world.products.find(copy.product_key, OTHER_INSTANCE.id) is None
    await world.products.delete(world.product)
    assert await world.products.find(copy.product_key) is None


async def test_a_name_that_is_taken_there_interrupts_the_task(world: World) -> None:
    await world.products.create(OTHER_INSTANCE.id, LAMP)
    job_id = (await world.place())["JobId"]
    await world.distribution.done()
    assert (await world.job(job_id))["Status"] == 3
    [entry] = await world.result(job_id)
    assert entry["Code"] == "iot.prod.AlreadyExistedProductName"
    assert await world.products.find(world.product.product_key, OTHER_INSTANCE.id) is None


async def test_distributed_products_are_listed(world: World) -> None:
    copy = await world.placed()
    key = copy.product_key
    everything = {
        "GmtCreate": copy.created_at,
        "ProductKey": key,
        "SourceInstanceId": HERE,
        "SourceInstanceName": HERE,
        "SourceRegion": "cn-shanghai",
        "SourceUid": "1000000000000001",
        "TargetAliyunId": "1000000000000001",
        "TargetInstanceId": THERE,
        "TargetInstanceName": "Second",
        "TargetRegion": "cn-shanghai",
        "TargetUid": "1000000000000001",
    }
    assert (await world.call("ListDistributedProduct"))["Data"] == {"Info": {"items": [everything]}, "Total": 1}
    for fits in (
        {"ProductKey": key},
        {"SourceInstanceId": HERE},
        {"TargetInstanceId": THERE},
        {"TargetUid": "1000000000000001"},
    ):
        assert (await world.call("ListDistributedProduct", **fits))["Data"]["Total"] == 1, fits
    for fails in (
        {"ProductKey": "other"},
        {"SourceInstanceId": THERE},
        {"TargetInstanceId": HERE},
        {"TargetUid": "2000000000000001"},
    ):
        assert (await world.call("ListDistributedProduct", **fails))["Data"] == {"Info": {"items": []}, "Total": 0}
    assert (await world.call("ListDistributedProduct", CurrentPage=2))["Data"] == {"Info": {"items": []}, "Total": 1}


BAD: tuple[tuple[dict[str, str], str], ...] = (
    ({"ProductKey": ""}, "iot.prod.NullProductKey"),
    ({"ProductKey": "a1Unknown00"}, "iot.prod.NotExistedProduct"),
    ({"TargetInstanceId": ""}, "iot.provisioning.TargetInstanceNotFound"),
    ({"TargetInstanceId": "iot-unknown"}, "iot.provisioning.TargetInstanceNotFound"),
    ({"TargetInstanceId": HERE}, "iot.system.InstanceIdSame"),
    ({"SourceInstanceId": "iot-unknown"}, "iot.provisioning.SourceInstanceNotFound"),
    ({"SourceInstanceId": THERE, "TargetInstanceId": HERE}, "iot.prod.NotExistedProduct"),
    ({"TargetUid": "2000000000000001"}, "iot.provisioning.NotCrossTenantId"),
    ({"TargetAliyunId": "2000000000000001"}, "iot.provisioning.NotCrossTenantId"),
    (
        {"TargetUid": "1000000000000001", "TargetAliyunId": "2000000000000001"},
        "iot.provisioning.TargetAccountParamsError",
    ),
)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_bad_parameters_make_no_task(world: World) -> None:
    for changes, code in BAD:
        assert (await world.place(**changes))["Code"] == code, changes
    assert (await world.call("ListDeviceDistributeJob"))["Data"]["Total"] == 0


async def test_a_copy_is_not_distributed_further(world: World) -> None:
    await world.placed()
    answer = await world.place(SourceInstanceId=THERE, TargetInstanceId=HERE)
    assert answer["Code"] == "iot.provisioning.NotDeviceOwner"


async def test_a_product_goes_to_an_instance_in_one_task_at_a_time(world: World) -> None:
    await world.distribution.close()
    answers = await asyncio.gather(*(world.place() for _ in range(3)))
    codes = sorted(str(answer.get("Code")) for answer in answers)
    assert codes == ["None"] + ["iot.provisioning.ProductIsDistributing"] * 2
