"""Running scripts in tests."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from thingplane.scripts.language import Function, Language
from thingplane.scripts.outcome import Outcome
from thingplane.scripts.process import Call, Script, Worker

PHP = shutil.which("php") or ""

needs_php = pytest.mark.skipif(not PHP, reason="there is no PHP interpreter here: Debian has it in php-cli")
LANGUAGES = [Language.JAVASCRIPT, Language.PYTHON, pytest.param(Language.PHP, marks=needs_php)]

HEADS = {
    Language.JAVASCRIPT: "function rawDataToProtocol(bytes) {{ {} }}",
    Language.PYTHON: "def raw_data_to_protocol(bytes):\n {}",
    Language.PHP: "<?php function rawDataToProtocol($bytes) {{ {} }}",
}


def script(language: Language, body: str) -> Script:
    """Return a script whose up function has this body; in Python one line."""
    return Script(language, HEADS[language].format(body))


def call(function: Function, *arguments: Any) -> Call:
    return Call(function, msgspec.json.encode(arguments))


async def run(
    worker: Worker, script: Script, function: Function = Function.DECODE, *arguments: Any, times: int = 1
) -> list[Outcome]:
    """Call a function so many times at once; without arguments with one byte."""
    outcomes: list[Outcome] = []
    calls = [call(function, *(arguments or [[7]]))] * times
    death = await worker.run(script, calls, outcomes.append)
    return outcomes if death is None else [*outcomes, death]


async def run_one(worker: Worker, script: Script, function: Function = Function.DECODE, *arguments: Any) -> Outcome:
    [outcome] = await run(worker, script, function, *arguments)
    return outcome


async def result(worker: Worker, language: Language, body: str) -> Any:
    """Return what the up function with this body returns."""
    outcome = await run_one(worker, script(language, body))
    assert outcome.fault is None, outcome
    return msgspec.json.decode(outcome.result)


async def failure(worker: Worker, language: Language, body: str) -> Outcome:
    """Return the outcome of an up function with this body, which must fail."""
    outcome = await run_one(worker, script(language, body))
    assert outcome.fault is not None, outcome
    return outcome


async def failures(worker: Worker, language: Language, bodies: Sequence[str]) -> dict[str, str]:
    """Return why each of these up functions fails."""
    return {body: (await failure(worker, language, body)).reason for body in bodies}


def children_of(pid: int) -> list[int]:
    """Return the process ids of a process's children."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
