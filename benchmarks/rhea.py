"""A consumer on rhea, from npm, in a process of its own."""

import base64
import hashlib
import hmac
import json
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from benchmarks.node import BenchmarkError, Node
from thingplane.cli.target import target
from thingplane.cloud.client import CloudClient

CLIENTS: Final = Path(__file__).parent.parent / "tests" / "clients" / "node"
HINT: Final = "npm and node are needed to measure with rhea"


class Consumed(NamedTuple):
    """What a consumer has received, and how long that took, in milliseconds."""

    messages: int
    p50_ms: float
    p99_ms: float


class Consumer:
    """A client that accepts everything."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def leave(self) -> Consumed:
        """Let it leave, and return what it has received."""
        output, _ = self.process.communicate()  # its standard input is closed: it prints and leaves
        told = json.loads(next(line for line in output.splitlines() if '"count"' in line))
        return Consumed(told["count"], told.get("p50", 0), told.get("p99", 0))


def has_rhea() -> bool:
    """Tell whether it can be installed."""
    return shutil.which("npm") is not None


@contextmanager
def installed() -> Iterator[Path]:
    """Install rhea for a block; gives the consumer's script."""
    with TemporaryDirectory(prefix="thingplane-rhea-") as name:
        for file in CLIENTS.glob("*.js*"):
            shutil.copy(file, name)
        command = ["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        if subprocess.run(command, cwd=name, check=False).returncode:
            raise BenchmarkError("npm could not install rhea")
        yield Path(name) / "consumer.js"


def subscribe(node: Node, product_key: str) -> str:
    """Make a group that gets the data of a product, and return its id."""
    client = CloudClient(*target(node.folder, None, None, None))
    group: str = client.call("CreateConsumerGroup", {"GroupName": "bench"})["GroupId"]
    relation = {"ProductKey": product_key, "Type": "AMQP", "ConsumerGroupIds.1": group}
    answer = client.call("CreateSubscribeRelation", {**relation, "DeviceDataFlag": "true"})
    if not answer["Success"]:
        raise BenchmarkError(f"the product could not be subscribed: {answer}")
    return group


@contextmanager
def consumer(node: Node, script: Path, group: str, clock: str = "generateTime", skip: int = 0) -> Iterator[Consumer]:
    """Run a consumer of a group.

    Args:
        node: where it signs in.
        script: see ``installed``.
        group: its id.
        clock: since when messages are under way: ``generateTime`` is when the node had them, ``device`` the latest time
            that the device gave to any of its values.
        skip: so many messages are not timed: a young JavaScript program takes ten times as long.
    """
    credentials = json.loads((node.folder / "credentials.json").read_text())
    key_id, secret = credentials["AccessKeyId"], credentials["AccessKeySecret"]
    signature = hmac.new(secret.encode(), f"authId={key_id}&timestamp=1".encode(), hashlib.sha1).digest()
    told = {
        "host": "localhost",
        "port": urlsplit(node.ready.endpoints["amqp"]).port,
        "ca": str(node.folder / "tls" / "ca.pem"),
        "user": f"bench|authMode=aksign,signMethod=hmacsha1,timestamp=1,authId={key_id},consumerGroupId={group}|",
        "password": base64.b64encode(signature).decode(),
        "quiet": True,
        "clock": clock,
        "skip": skip,
    }
    process = subprocess.Popen(
        ["node", str(script), json.dumps(told)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        if process.stdout is None or not any('"receiver_open"' in line for line in process.stdout):
            raise BenchmarkError("rhea did not connect")
        yield Consumer(process)
    finally:
        process.kill()
        process.wait()


def accepted(node: Node) -> int:
    """Return how many messages clients have accepted since the node started."""
    with urllib.request.urlopen(f"{node.ready.endpoints['api']}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return next(int(float(line.split()[1])) for line in lines if line.startswith("thingplane_amqp_accepted_total "))
