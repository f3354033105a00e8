"""``thingplane messages``: what leaves the platform of a device."""

import sys
import time
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter
from rich.table import Table

from thingplane.cli import CommandError
from thingplane.cli.output import console, is_terminal
from thingplane.cli.target import DataDir, target
from thingplane.cloud.client import CallError, CloudClient
from thingplane.message_log import PATH

POLL_S: Final = 0.5
_COLUMNS: Final = ("time", "kind", "topic", "due to", "message id", "body")


def messages(
    *,
    device: Annotated[str, Parameter(help="ProductKey/DeviceName")],
    follow: Annotated[bool, Parameter(negative="", help="go on with what comes, until Ctrl-C")] = False,
    limit: Annotated[int, Parameter(help="at most so many of the last messages, up to 1000")] = 100,
    endpoint: Annotated[str | None, Parameter(help="cloud API [default: that of the node on this machine]")] = None,
    access_key_id: Annotated[
        str | None, Parameter(help="key to sign with [default: that of the data directory]")
    ] = None,
    access_key_secret: Annotated[str | None, Parameter(help="its secret")] = None,
    data_dir: DataDir = None,
) -> int:
    """Show messages of a device that consumer groups or rules get: a table on a terminal, JSON lines in a pipe.

    The log has what somebody subscribed to, until all have acknowledged it or it is too old. The key must be one of the
    account itself.
    """
    product_key, slash, name = device.partition("/")
    if not slash or not product_key or not name:
        raise CommandError(f"--device: {device!r} is not ProductKey/DeviceName")
    where = target(data_dir, endpoint, access_key_id, access_key_secret)
    try:
        client = CloudClient(where.endpoint, where.access_key_id, where.access_key_secret)
    except ValueError as error:
        raise CommandError(str(error)) from None
    query: dict[str, Any] = {"ProductKey": product_key, "DeviceName": name, "Limit": limit}
    with_header = True
    while True:
        try:
            answer = client.call("ListForwardedMessages", query, method="GET", path=PATH)
        except CallError as error:
            raise CommandError(str(error)) from None
        except OSError as error:
            raise CommandError(f"{where.endpoint} does not answer: {error}") from None
        if answer["messages"] or (with_header and not follow):
            _print(answer["messages"], with_header=with_header)
            with_header = False
        if not follow:
            return 0
        query |= {"After": answer["next"], "Limit": 1000}
        time.sleep(POLL_S)


def _print(found: list[dict[str, Any]], *, with_header: bool) -> None:
    if not is_terminal():
        for message in found:
            sys.stdout.write(msgspec.json.encode(message).decode() + "\n")
        sys.stdout.flush()
        return
    table = Table(*_COLUMNS, header_style="bold", show_header=with_header, box=None, pad_edge=False)
    for message in found:
        when = datetime.fromtimestamp(message["generated"] / 1000).astimezone()
        body = message["body"]
        table.add_row(
            when.strftime("%H:%M:%S.") + f"{message['generated'] % 1000:03d}",
            message["kind"],
            message["topic"],
            ", ".join(message["dueTo"]),
            message["messageId"],
            body if isinstance(body, str) else msgspec.json.encode(body).decode(),
        )
    console.print(table)
