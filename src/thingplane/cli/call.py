"""``thingplane call``: any operation of the cloud API from a shell."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from thingplane.cli import CommandError
from thingplane.cli.output import print_answer
from thingplane.cli.target import DataDir, target
from thingplane.cloud.client import CallError, CloudClient


def call(
    action: Annotated[str, Parameter(help="name of the operation, such as QueryProductList")],
    *parameters: Annotated[str, Parameter(help="name=value; name=@FILE takes the content of a file")],
    endpoint: Annotated[str | None, Parameter(help="cloud API [default: that of the node on this machine]")] = None,
    access_key_id: Annotated[
        str | None, Parameter(help="key to sign with [default: that of the data directory]")
    ] = None,
    access_key_secret: Annotated[str | None, Parameter(help="its secret")] = None,
    data_dir: DataDir = None,
) -> int:
    """Call an operation with a signed request and print the answer: tables on a terminal, JSON in a pipe.

    The exit status is 1 if the operation answers Success=false.
    """
    values = dict(_parameter(text) for text in parameters)
    where = target(data_dir, endpoint, access_key_id, access_key_secret)
    try:
        client = CloudClient(where.endpoint, where.access_key_id, where.access_key_secret)
    except ValueError as error:
        raise CommandError(str(error)) from None
    try:
        answer = client.call(action, values)
    except CallError as error:
        raise CommandError(f"{action}: {error}") from None
    except OSError as error:
        raise CommandError(f"{where.endpoint} does not answer: {error}") from None
    print_answer(answer)
    return 0 if answer.get("Success") else 1


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise CommandError(f"{text!r} is not a parameter: write name=value")
    if value.startswith("@"):
        try:
            value = Path(value[1:]).read_text(encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{value[1:]}: {error.strerror}") from None
    return name, value
