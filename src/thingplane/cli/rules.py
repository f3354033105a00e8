"""``thingplane rule``: trying the SQL of rules without a node."""

import sys
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from thingplane.cli import CommandError
from thingplane.cli.output import is_terminal, print_json, print_rows
from thingplane.clock import SystemClock
from thingplane.rules.trial import Failing, Trial, try_sql

app = App(name="rule", help="Try the SQL of rules.")


@app.command(name="test")
def try_rule(
    *,
    select: Annotated[str, Parameter(help="what follows SELECT")] = "*",
    where: Annotated[str, Parameter(help="what follows WHERE")] = "",
    payload: Annotated[str, Parameter(help="the message as it is forwarded: text, @FILE, or @- for stdin")],
    topic: Annotated[
        str, Parameter(help="its topic, which names product and device")
    ] = "/a1product/device1/user/update",
    binary: Annotated[bool, Parameter(help="the rule is for binary data", negative="")] = False,
    tag: Annotated[tuple[str, ...], Parameter(help="KEY=VALUE, a tag of the device; may be repeated")] = (),
    user_property: Annotated[
        tuple[str, ...], Parameter(help="KEY=VALUE, an MQTT 5 user property of the message; may be repeated")
    ] = (),
) -> int:
    """Run a rule's SQL on a message, and show the columns of the result or the place where it fails.

    Exit status 0: there is a result, or the condition does not hold; 1: the SQL fails.
    """
    tags = dict(_pair("--tag", text) for text in tag)
    said = [_pair("--user-property", text) for text in user_property]
    clauses = {"Select": select, "Where": where}
    trial = try_sql(
        select, where, "BINARY" if binary else "JSON", _payload(payload), topic, SystemClock().now_ms(), tags, said
    )
    if trial.failing is not None:
        _show_failing(trial.failing, clauses)
        return 1
    _show(trial)
    return 0


def _pair(option: str, text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"{option}: {text!r} is not KEY=VALUE")
    return key, value


def _payload(text: str) -> bytes:
    if text == "@-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text.encode()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise CommandError(f"--payload: {text[1:]}: {error.strerror}") from None


def _show(trial: Trial) -> None:
    if not is_terminal():
        print_json({"matches": trial.matches, **({"result": _readable(trial.payload)} if trial.matches else {})})
    elif not trial.matches:
        sys.stdout.write("the condition does not hold: nothing is forwarded\n")
    elif trial.columns:
        print_rows([{"column": name, "value": value} for name, value in trial.columns.items()], ["column", "value"])
    else:
        sys.stdout.write(f"{_readable(trial.payload)}\n")


def _readable(payload: bytes) -> object:
    """Return JSON as what it is, other text as text, and bytes in hexadecimal."""
    try:
        return msgspec.json.decode(payload)
    except msgspec.DecodeError:
        pass
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return "0x" + payload.hex()


def _show_failing(failing: Failing, clauses: dict[str, str]) -> None:
    if not is_terminal():
        place = {} if failing.clause is None else {"clause": failing.clause, "character": failing.position + 1}
        print_json({"matches": False, "error": failing.reason, **place})
        return
    if failing.clause is not None:
        # On one line, so that the mark below stands under the place.
        text = clauses[failing.clause].replace("\n", " ").replace("\t", " ")
        label = failing.clause.upper()
        sys.stdout.write(f"{label} {text}\n{' ' * (len(label) + 1 + failing.position)}^\n")
    sys.stdout.write(f"{failing.reason}\n")
