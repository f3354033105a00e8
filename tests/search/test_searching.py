"""Which devices statements find, on both databases."""

import pytest

from tests.common.clock import FakeClock
from tests.search.conftest import Fleet, Search
from thingplane.products.service import NewProduct, Product, ProductService
from thingplane.search import service


async def test_texts_are_compared_exactly(search: Search, fleet: Fleet, products: ProductService) -> None:
    other = await products.create(1, NewProduct(name="other", node_type=0))
    first = await fleet.add("lamp-1", nickname="Lamp at the door")
    await fleet.add("Lamp-2", nickname="lamp in the hall")
    await fleet.add("lamp-3", product=other)
    key = fleet.product.product_key
    assert await search.names(f'product_key = "{key}"') == ["Lamp-2", "lamp-1"]
    assert await search.names(f'product_key != "{key}"') == ["lamp-3"]
    assert await search.names('product_key = "a1nobody"') == []
    assert await search.names('product_key != "a1nobody"') == ["Lamp-2", "lamp-1", "lamp-3"]
    assert await search.names(f'product_key LIKE "{key[:6]}%"') == ["Lamp-2", "lamp-1"]
    assert await search.names("product_key = null") == []
    assert await search.names('name = "lamp-1"') == ["lamp-1"]
    assert await search.names('name LIKE "lamp_1%" or name LIKE "Lamp%"') == ["Lamp-2"]
    assert await search.names(f'iot_id = "{first.iot_id}"') == ["lamp-1"]
    assert await search.names('nickname LIKE "lamp%"') == ["Lamp-2"]
    assert await search.names('nickname LIKE "Lamp%"') == ["lamp-1"]


async def test_prefixes_have_no_wildcards_and_may_be_of_any_language(search: Search, fleet: Fleet) -> None:
    for number, nickname in enumerate(["a_cd rest", "abcd rest", "走廊灯具一", "走廊灯具", "走廊电话", "[abc"]):
        await fleet.add(f"lamp-{number}", nickname=nickname)
    assert await search.names('nickname LIKE "a_cd%"') == ["lamp-0"]
    assert await search.names('nickname LIKE "走廊灯具%"') == ["lamp-2", "lamp-3"]
    assert await search.names('nickname LIKE "[abc%"') == ["lamp-5"]


async def test_missing_values(search: Search, fleet: Fleet) -> None:
    await fleet.add("named", nickname="nick")
    await fleet.add("nameless")
    assert await search.names("nickname = null") == ["nameless"]
    assert await search.names("nickname != null") == ["named"]
    # The value of a field that is compared may be null (guide): it differs from every text.
    assert await search.names('nickname != "other"') == ["named", "nameless"]
    assert await search.names('nickname != "nick"') == ["nameless"]
    assert await search.names("active_time = null") == ["named", "nameless"]


async def test_times(search: Search, fleet: Fleet, clock: FakeClock) -> None:
    for name in ("one1", "two2", "three"):
        device = await fleet.add(name)
        clock.advance(0.5)
        if name != "two2":
            fleet.connect(device)
        clock.advance(0.5)
    # Devices were made at 06:13:20.000 and each a second later, and activated half a second later, UTC+8.
    day = "2023-11-15"
    assert await search.names(f'gmt_create = "{day} 06:13:21.000"') == ["two2"]
    assert await search.names(f'gmt_create > "{day} 06:13:20.000"') == ["three", "two2"]
    assert await search.names(f'gmt_create < "{day} 06:13:20.001"') == ["one1"]
    assert await search.names(f'gmt_create != "{day} 06:13:20"') == ["three", "two2"]
    assert await search.names(f'active_time = "{day} 06:13:20.500"') == ["one1"]
    assert await search.names(f'active_time != "{day} 06:13:20.500"') == ["three", "two2"]
    assert await search.names("active_time != null") == ["one1", "three"]
    everything = "name != null"
    assert await search.names(everything, "order by active_time") == ["one1", "three", "two2"]
    assert await search.names(everything, "order by active_time desc") == ["three", "one1", "two2"]
    assert await search.names(everything, "order by gmt_create desc limit 1, 5") == ["two2", "one1"]


async def test_changes_count_as_modification_at_once(search: Search, fleet: Fleet, clock: FakeClock) -> None:
    first, second = await fleet.add("one1"), await fleet.add("two2")
    clock.advance(1)
    await fleet.devices.disable(first)
    assert await search.names("name != null", "order by gmt_modified desc") == ["one1", "two2"]
    clock.advance(1)
    await fleet.devices.disable(second)
    assert await search.names("name != null", "order by gmt_modified desc") == ["two2", "one1"]


async def test_states_are_those_of_this_moment(search: Search, fleet: Fleet) -> None:
    online, offline, barred = [await fleet.add(name) for name in ("online", "offline", "barred")]
    await fleet.add("unactive")
    for device in (online, offline, barred):
        fleet.connect(device)
    fleet.devices.disconnected(offline)
    await fleet.devices.disable(barred)
    assert await search.names('status = "ONLINE"') == ["online"]
    assert await search.names('status = "OFFLINE"') == ["offline"]
    assert await search.names('status = "UNACTIVE"') == ["unactive"]
    assert await search.names('status = "DISABLE"') == ["barred"]
    assert await search.names('status != "ONLINE"') == ["barred", "offline", "unactive"]
    assert await search.names('status LIKE "ONLI%"') == ["online"]
    assert await search.names('status LIKE "AWAKE%"') == []
    assert await search.names("status = null") == []
    assert await search.count("status != null") == 4
    fleet.devices.disconnected(online)
    assert await search.names('status = "ONLINE"') == []


@pytest.fixture(params=["few", "some", "many"])
def _plan(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Find devices from elements, and elements from devices: it must make no difference."""
    few, some = {"few": (1000, 25_000), "some": (0, 25_000), "many": (0, 0)}[request.param]
    monkeypatch.setattr(service, "FEW", few)
    monkeypatch.setattr(service, "SOME", some)


@pytest.mark.usefixtures("_plan")
async def test_tags(search: Search, fleet: Fleet, foreign_product: Product) -> None:
    await fleet.add("red-1", tags={"color": "red", "room": "blue"})
    await fleet.add("blue-1", tags={"color": "blue", "room": "red"})
    await fleet.add("plain")
    await fleet.add("stranger", product=foreign_product, tags={"color": "red"})
    assert await search.names('tag.tag_name = "color"') == ["blue-1", "red-1"]
    assert await search.names('tag.tag_value = "red"') == ["blue-1", "red-1"]
    # Name and value are those of one tag, in either order.
    assert await search.names('tag.tag_name = "color" and tag.tag_value = "red"') == ["red-1"]
    assert await search.names('tag.tag_value = "red" and name != null and tag.tag_name = "color"') == ["red-1"]
    assert await search.names('tag.tag_name = "color" and tag.tag_value != "red"') == ["blue-1"]
    assert await search.names('tag.tag_name = "color" or tag.tag_value = "red"') == ["blue-1", "red-1"]
    two = 'tag.tag_name = "color" and tag.tag_value = "red" and tag.tag_name = "room" and tag.tag_value = "{}"'
    assert await search.names(two.format("blue")) == ["red-1"]
    assert await search.names(two.format("red")) == []
    assert await search.names('tag.tag_name LIKE "colo%" and tag.tag_value = "red"') == ["red-1"]
    assert await search.names('tag.tag_name != "color"') == ["blue-1", "red-1"]
    assert await search.names("tag.tag_name = null") == ["plain"]
    assert await search.names("tag.tag_value != null") == ["blue-1", "red-1"]
    assert await search.names('tag.tag_name = "size"') == []
    assert await search.count('tag.tag_name = "color" and tag.tag_value = "red"') == 1


@pytest.mark.usefixtures("_plan")
async def test_groups(search: Search, fleet: Fleet, foreign_product: Product) -> None:
    await fleet.add("both", groups=("one1", "two2"))
    await fleet.add("first", groups=("one1",))
    await fleet.add("none")
    await fleet.add("stranger", product=foreign_product, groups=("three",))
    one, two = fleet.group_ids["one1"], fleet.group_ids["two2"]
    assert await search.names(f'group.group_id = "{one}"') == ["both", "first"]
    assert await search.names(f'group.group_id = "{one}" and group.group_id = "{two}"') == ["both"]
    # A device fits when any of its groups does.
    assert await search.names(f'group.group_id != "{one}"') == ["both"]
    assert await search.names('group.group_id != "nobody"') == ["both", "first"]
    assert await search.names(f'group.group_id LIKE "{two[:8]}%"') == ["both"]
    assert await search.names("group.group_id = null") == ["none"]
    assert await search.names("group.group_id != null") == ["both", "first"]
    assert await search.names('group.group_id = "nobody"') == []
    assert await search.names(f'group.group_id = "{fleet.group_ids["three"]}"') == []


@pytest.mark.usefixtures("_plan")
async def test_modules(search: Search, fleet: Fleet, foreign_product: Product) -> None:
    await fleet.add("one1", modules={"default": "1.0", "radio": "2.0"})
    await fleet.add("two2", modules={"default": "2.0", "radio": "1.0"})
    await fleet.add("none")
    await fleet.add("stranger", product=foreign_product, modules={"default": "1.0"})
    module = "ota_module.module_name"
    version = "ota_module.firmware_version"
    assert await search.names(f'{module} = "default" and {version} = "1.0"') == ["one1"]
    assert await search.names(f'{module} = "default" and {version} != "1.0"') == ["two2"]
    assert await search.names(f'{version} = "1.0"') == ["one1", "two2"]
    assert await search.names(f'{version} = "1.0" and {module} LIKE "radi%"') == ["two2"]
    assert await search.names(f"{version} = null") == ["none"]
    assert await search.count(f'{version} != "1.0"') == 2


async def test_and_binds_tighter_than_or(search: Search, fleet: Fleet) -> None:
    for name, nickname in (("aaaa", "odd1"), ("bbbb", "even"), ("cccc", "odd1")):
        await fleet.add(name, nickname=nickname)
    where = 'name = "bbbb" or name = "aaaa" and nickname = "even" or name = "cccc" and nickname = "odd1"'
    assert await search.names(where) == ["bbbb", "cccc"]
    assert await search.count(where) == 2


async def test_instances_never_mix(search: Search, fleet: Fleet, foreign_product: Product) -> None:
    await fleet.add("mine")
    await fleet.add("theirs", product=foreign_product)
    key = foreign_product.product_key
    assert await search.names("name != null") == ["mine"]
    assert await search.names(f'product_key = "{key}"') == []
    assert await search.names(f'product_key != "{key}"') == ["mine"]
    assert await search.names(f'name = "mine" or product_key = "{key}" or product_key LIKE "{key[:5]}%"') == ["mine"]
    theirs = await search('select name from device where name != "x"', IotInstanceId="iot-other")
    assert [device["DeviceName"] for device in theirs] == ["theirs"]


async def test_pages_without_order_fit_together(search: Search, fleet: Fleet) -> None:
    names = [f"lamp-{number:02d}" for number in range(25)]
    for name in names:
        await fleet.add(name)
    assert await search.names("name != null", "limit 10") == names[:10]
    assert await search.names("name != null", "limit 10, 10") == names[10:20]
    assert await search.names("name != null", "limit 20, 10") == names[20:]
    assert len(await search.names("name != null")) == 20
    assert await search.count("name != null") == 25


async def test_values_are_never_part_of_the_query(search: Search, fleet: Fleet) -> None:
    await fleet.add("lamp-1", nickname="it's", tags={"a": "x' OR '1'='1"})
    assert await search.names('nickname = "it\'s"') == ["lamp-1"]
    assert await search.names('name = "\' OR 1=1 --"') == []
    assert await search.names("tag.tag_value = \"x' OR '1'='1\"") == ["lamp-1"]
    assert await search.names('tag.tag_value = ":value_1 %(x)s"') == []
