"""End to end: a node in its own process, the official SDKs as clients over real sockets, on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from alibabacloud_iot20180120.client import Client
from alibabacloud_tea_openapi.models import Config

from tests.common.node import NodeProcess, running_node


@pytest.fixture(params=["sqlite", "postgresql"])
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NodeProcess]:
    """A node with the embedded default, and one on PostgreSQL."""
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else ""
    with running_node(tmp_path / "data", database_url=url) as node:
        yield node


@pytest.fixture
def cloud(node: NodeProcess) -> Client:
    """The official cloud SDK, aimed at the node."""
    return sdk_client(node)


def sdk_client(node: NodeProcess) -> Client:
    key_id, secret = node.credentials
    host, port = node.address("api")
    return Client(Config(access_key_id=key_id, access_key_secret=secret, endpoint=f"{host}:{port}", protocol="http"))
