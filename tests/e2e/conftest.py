"""End to end: a node in its own process, the official SDKs as clients over real sockets, on both databases."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from alibabacloud_iot20180120.client import Client
from alibabacloud_tea_openapi.models import Config

from tests.clients.node import node_clients  # noqa: F401 - a fixture
from tests.common.node import NodeProcess, running_node
from tests.common.postgres import create_database, drop_database
from thingplane.cloud.client import CloudClient


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeProcess]:
    """A node that the tests of a module share: one with the embedded default, then one on PostgreSQL.

    Whoever stops it starts it again; every test makes a product of its own.
    """
    data_dir = tmp_path_factory.mktemp("node") / "data"
    if request.param == "sqlite":
        with running_node(data_dir) as node:
            yield node
        return
    server_url: str = request.getfixturevalue("postgres_server_url")
    name = f"test_{uuid.uuid4().hex}"
    with running_node(data_dir, database_url=create_database(server_url, name)) as node:
        yield node
    drop_database(server_url, name)


@pytest.fixture
def embedded_node(tmp_path: Path) -> Iterator[NodeProcess]:
    """A node of the test's own, with the embedded default."""
    with running_node(tmp_path / "data") as node:
        yield node


@pytest.fixture
def cloud(node: NodeProcess) -> Client:
    """The official cloud SDK, aimed at the shared node."""
    return sdk_client(node)


def sdk_client(node: NodeProcess, key: tuple[str, str] | None = None) -> Client:
    """Return the official cloud SDK, aimed at a node; with the account's key unless another is given."""
    key_id, secret = key or node.credentials
    host, port = node.address("api")
    return Client(Config(access_key_id=key_id, access_key_secret=secret, endpoint=f"{host}:{port}", protocol="http"))


def cloud_client(node: NodeProcess, key: tuple[str, str] | None = None) -> CloudClient:
    """Return the project's own client, aimed at a node."""
    host, port = node.address("api")
    return CloudClient(f"http://{host}:{port}", *(key or node.credentials))
