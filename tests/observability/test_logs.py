"""Log lines: JSON in a pipe, with UTC time, also those of libraries and tracebacks."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

PRELUDE = (
    "import logging, structlog\n"
    "from thingplane.observability.logs import configure_logs\n"
    "configure_logs({level!r}, {form!r})\n"
    "log = structlog.get_logger('test')\n"
)


def written(program: str, *, level: str = "info", form: str = "auto") -> str:
    """Run a program in a process of its own, whose stderr is a pipe; return what it logs."""
    code = PRELUDE.format(level=level, form=form) + program
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout) == (0, "")
    return result.stderr


def lines(program: str, **options: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written(program, **options).splitlines()]


def test_lines_in_a_pipe_are_json_with_level_and_utc_time() -> None:
    (line,) = lines("log.info('device connected', device='/a1/d1', code=28)")
    time = datetime.fromisoformat(line.pop("timestamp"))
    assert time.utcoffset() == UTC.utcoffset(None)
    assert abs((datetime.now(UTC) - time).total_seconds()) < 300
    assert line == {"event": "device connected", "level": "info", "device": "/a1/d1", "code": 28}


def test_less_severe_lines_are_left_out() -> None:
    program = "log.debug('a')\nlog.info('b')\nlog.warning('c')\nlog.error('d')"
    assert [line["event"] for line in lines(program, level="warning")] == ["c", "d"]
    assert [line["event"] for line in lines(program, level="debug")] == ["a", "b", "c", "d"]


def test_traceback_is_part_of_its_line() -> None:
    program = "try:\n    1 / 0\nexcept ZeroDivisionError:\n    log.exception('failed')"
    (line,) = lines(program)
    assert line["level"] == "error"
    assert "ZeroDivisionError" in line["exception"]


def test_warnings_of_libraries_are_lines_of_the_same_form() -> None:
    program = "other = logging.getLogger('other')\nother.info('quiet')\nother.warning('loud %d', 7)"
    (line,) = lines(program, level="debug")
    assert (line["event"], line["level"]) == ("loud 7", "warning")
    assert "timestamp" in line


def test_values_that_json_does_not_know_do_not_break_a_line() -> None:
    program = "log.info('odd', many={1, 2}, error=ValueError('no'), raw=b'x', name='\\udcff', by={1: [None, 2.5]})"
    (line,) = lines(program)
    assert (line["many"], line["error"], line["raw"]) == ([1, 2], "ValueError('no')", "b'x'")
    assert (line["name"], line["by"]) == ("\\udcff", {"1": [None, 2.5]})


def test_console_form_is_for_people() -> None:
    text = written("log.info('device connected', device='/a1/d1')", form="console")
    assert not text.startswith("{")
    assert "device connected" in text


@pytest.mark.parametrize("form", ["json", "console"])
def test_settings_and_keys_show_no_secrets(form: str) -> None:
    program = (
        "from thingplane.access.service import NewKey\n"
        "from thingplane.settings import Settings\n"
        "log.info('start', settings=Settings(access_key_id='a', access_key_secret='hush', "
        "database_url='postgresql://u:hush@h/d'), keys=[NewKey('a', 'hush')])"
    )
    text = written(program, form=form)
    assert "hush" not in text
    assert "access_key_id" in text
