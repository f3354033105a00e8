"""Products and their tags."""

from typing import Any

from alibabacloud_iot20180120 import models
from alibabacloud_iot20180120.client import Client

from tests.e2e.operations.calls import new_product, ok, refusal, register, unique


def query(cloud: Client, product_key: str) -> Any:
    return ok(cloud.query_product(models.QueryProductRequest(product_key=product_key))).data


def tags(cloud: Client, product_key: str) -> dict[str, str]:
    data = ok(cloud.list_product_tags(models.ListProductTagsRequest(product_key=product_key))).data
    return {tag.tag_key: tag.tag_value for tag in data.product_tag}


def test_a_product_is_created_as_asked_for(cloud: Client) -> None:
    name = unique("lamps")
    request = models.CreateProductRequest(
        node_type=1,
        product_name=name,
        aliyun_commodity_code="iothub_senior",
        data_format=1,
        net_type="CELLULAR",
        description="street lamps",
        validate_type=2,
    )
    created = ok(cloud.create_product(request))
    assert created.product_key == created.data.product_key
    product = query(cloud, created.product_key)
    assert (product.product_name, product.node_type, product.net_type) == (name, 1, 6)
    assert (product.data_format, product.validate_type, product.description) == (1, 2, "street lamps")
    assert product.product_secret == created.data.product_secret
    assert (product.product_status, product.device_count) == ("DEVELOPMENT_STATUS", 0)


def test_products_are_listed_newest_first(cloud: Client) -> None:
    keys = [new_product(cloud) for _ in range(3)]
    register(cloud, keys[1], "listed-1")
    data = ok(cloud.query_product_list(models.QueryProductListRequest(current_page=1, page_size=3))).data
    assert [(item.product_key, item.device_count) for item in data.list.product_info] == [
        (keys[2], 0),
        (keys[1], 1),
        (keys[0], 0),
    ]
    assert data.total >= 3


def test_a_product_is_renamed_and_released_and_released_no_more(cloud: Client) -> None:
    key = new_product(cloud)
    name = unique("renamed")
    ok(cloud.update_product(models.UpdateProductRequest(product_key=key, product_name=name, description="new")))
    ok(cloud.release_product(models.ReleaseProductRequest(product_key=key)))
    product = query(cloud, key)
    assert (product.product_name, product.description, product.product_status) == (name, "new", "RELEASE_STATUS")
    ok(cloud.cancel_release_product(models.CancelReleaseProductRequest(product_key=key)))
    assert query(cloud, key).product_status == "DEVELOPMENT_STATUS"


def test_a_filter_of_posted_values_is_set(cloud: Client, product_key: str) -> None:
    # No operation reads it back.
    request = models.UpdateProductFilterConfigRequest(
        product_key=product_key, property_timestamp_filter=True, property_value_filter=False
    )
    ok(cloud.update_product_filter_config(request))
    request.product_key = "a1nobody000"
    assert refusal(cloud.update_product_filter_config(request)) == "iot.prod.NotExistedProduct"


def test_a_deleted_product_is_gone(cloud: Client) -> None:
    key = new_product(cloud)
    ok(cloud.delete_product(models.DeleteProductRequest(product_key=key)))
    answer = cloud.query_product(models.QueryProductRequest(product_key=key))
    assert refusal(answer) == "iot.prod.NotExistedProduct"


def test_tags_of_a_product(cloud: Client) -> None:
    key, floor = new_product(cloud), unique("floor")
    ok(
        cloud.create_product_tags(
            models.CreateProductTagsRequest(
                product_key=key,
                product_tag=[
                    models.CreateProductTagsRequestProductTag(tag_key="floor", tag_value=floor),
                    models.CreateProductTagsRequestProductTag(tag_key="room", tag_value="101"),
                ],
            )
        )
    )
    assert tags(cloud, key) == {"floor": floor, "room": "101"}
    wanted = models.ListProductByTagsRequest(
        product_tag=[models.ListProductByTagsRequestProductTag(tag_key="floor", tag_value=floor)]
    )
    (found,) = ok(cloud.list_product_by_tags(wanted)).product_infos.product_info
    assert found.product_key == key
    changed = models.UpdateProductTagsRequestProductTag(tag_key="room", tag_value="102")
    ok(cloud.update_product_tags(models.UpdateProductTagsRequest(product_key=key, product_tag=[changed])))
    assert tags(cloud, key) == {"floor": floor, "room": "102"}
    ok(cloud.delete_product_tags(models.DeleteProductTagsRequest(product_key=key, product_tag_key=["floor"])))
    assert tags(cloud, key) == {"room": "102"}
    assert ok(cloud.list_product_by_tags(wanted)).product_infos.product_info == []
