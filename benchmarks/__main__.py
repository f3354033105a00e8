"""`python -m benchmarks [NAME…]`: print the figures of a node on this machine beside their goals."""

import argparse
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from benchmarks.amqp import amqp
from benchmarks.api import api
from benchmarks.attacks import attacks
from benchmarks.coap import coap
from benchmarks.connections import connections
from benchmarks.delivery import delivery
from benchmarks.figures import COLUMNS, Figure
from benchmarks.fleet import large
from benchmarks.forwarding import forwarding
from benchmarks.gateway import gateway
from benchmarks.history import history
from benchmarks.looping import looping
from benchmarks.node import BenchmarkError, Fleet, prepare_fleet
from benchmarks.ota import ota
from benchmarks.posts import latency, posts
from benchmarks.round_trips import round_trips
from benchmarks.rules import rules
from benchmarks.script_path import script_path
from benchmarks.startup import startup
from benchmarks.storm import storm
from benchmarks.thing_model_check import validation
from thingplane.cli.output import print_rows

DEVICES: Final = 10_000

BENCHMARKS: Final[dict[str, Callable[[Fleet, int], Iterator[Figure]]]] = {
    "posts": posts,
    "gateway": gateway,
    "latency": latency,
    "connections": connections,
    "api": api,
    "history": history,
    "startup": startup,
    "fleet": large,
    "validation": validation,
    "scripts": script_path,
    "amqp": amqp,
    "delivery": delivery,
    "looping": looping,
    "storm": storm,
    "rrpc": round_trips,
    "coap": coap,
    "rules": rules,
    "forwarding": forwarding,
    "ota": ota,
    "attacks": attacks,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)} [default: all]")
    parser.add_argument("--runs", type=int, default=3, help="how often each is measured [default: 3]")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown or arguments.runs < 1:
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}" if unknown else "--runs must be positive")
    _raise_descriptor_limit()
    rows: list[dict[str, object]] = []
    failed = False
    try:
        with tempfile.TemporaryDirectory(prefix="thingplane-bench-") as folder:
            fleet = prepare_fleet(Path(folder) / "data", DEVICES)
            for name in arguments.names or BENCHMARKS:
                print(f"{name} …", file=sys.stderr)
                try:
                    rows.extend(figure.row() for figure in BENCHMARKS[name](fleet, arguments.runs))
                except BenchmarkError as error:
                    failed = True
                    print(f"{name}: {error}", file=sys.stderr)
    finally:
        # Whatever stops a later one, what was measured took minutes.
        print_rows(rows, COLUMNS)
    return 1 if failed else 0


def _raise_descriptor_limit() -> None:
    """Allow as many connections as the system lets us, here and in the nodes."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main())
