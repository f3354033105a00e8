"""Fixtures of a module: one node, the SDK, and a product; tests keep apart by the names of their devices."""

import pytest
from alibabacloud_iot20180120.client import Client

from tests.common.node import NodeProcess
from tests.e2e.operations.calls import checked_client, new_product


@pytest.fixture(scope="module")
def cloud(node: NodeProcess) -> Client:
    """The official cloud SDK; every answer is checked against the contract."""
    return checked_client(node)


@pytest.fixture(scope="module")
def product_key(cloud: Client) -> str:
    """ProductKey of a product of directly connected devices."""
    return new_product(cloud)


@pytest.fixture(scope="module")
def gateway_key(cloud: Client) -> str:
    """ProductKey of a product of gateways."""
    return new_product(cloud, node_type=1)
