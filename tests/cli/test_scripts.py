"""``thingplane script test`` and ``set``."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.common.node import NodeProcess
from tests.e2e.conftest import cloud_client
from tests.e2e.test_main_job import eventually
from tests.scripts import examples
from thingplane.cli import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command and return its exit status and what it printed."""
    with pytest.raises(SystemExit) as ended:
        main(["script", "test", *arguments])
    assert isinstance(ended.value.code, int)
    printed = capsys.readouterr()
    return ended.value.code, printed.out, printed.err


@pytest.fixture
def script(tmp_path: Path) -> str:
    file = tmp_path / "example.js"
    file.write_text(examples.JAVASCRIPT + "console.log('loaded');")
    return str(file)


def test_bytes_become_a_message(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, script, "--bytes", "0x" + examples.POST.hex())
    assert status == 0
    printed, _, message = out.partition("\n")
    assert printed == "| loaded"
    assert msgspec.json.decode(message) == examples.POST_MESSAGE
    assert " ms" in err


def test_a_message_becomes_bytes(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    message = msgspec.json.encode(examples.SET_MESSAGE).decode()
    status, out, _ = run(capsys, script, "--json", message, "--language", "JavaScript")
    assert (status, out.splitlines()[-1]) == (0, "0x" + examples.SET.hex())


def test_bytes_of_a_custom_topic_are_transformed(script: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, script, "--bytes", examples.POST.hex(), "--topic", "/a/b/user/update")
    assert status == 0
    assert '"topic": "/a/b/user/update"' in out


def test_a_failure_shows_its_code_and_what_was_printed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad.py"
    file.write_text("def raw_data_to_protocol(bytes):\n    print('here')\n    raise ValueError('no such type')\n")
    status, out, err = run(capsys, str(file), "--bytes", "00")
    assert (status, out) == (1, "| here\n")
    assert err == "failed (26002): ValueError: no such type (line 3)\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "either --bytes or --json"),
        (["--bytes", "00", "--json", "{}"], "either --bytes or --json"),
        (["--bytes", "xyz"], "not hexadecimal"),
        (["--json", "{"], "--json"),
        (["--bytes", "00", "--language", "Ruby"], "no language of scripts"),
    ],
)
def test_bad_arguments_are_one_line(
    script: str, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    status, _, err = run(capsys, script, *arguments)
    assert status == 1
    assert message in err
    assert err.count("\n") == 1


def test_a_file_that_is_not_there_or_says_no_language(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No such file" in run(capsys, str(tmp_path / "none.js"), "--bytes", "00")[2]
    (tmp_path / "script").write_text("x")
    assert "--language" in run(capsys, str(tmp_path / "script"), "--bytes", "00")[2]


def test_a_result_that_is_no_bytes_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bad.js"
    file.write_text("function protocolToRawData() { return 'text'; }")
    status, _, err = run(capsys, str(file), "--json", "{}")
    assert status == 1
    assert "array of bytes" in err


def test_any_product_gets_a_script(
    node: NodeProcess, manage: Callable[..., Any], refusal: Callable[..., str], script: str, tmp_path: Path
) -> None:
    client = cloud_client(node)
    parameters = {"ProductName": f"p_{uuid.uuid4().hex[:20]}", "AliyunCommodityCode": "iothub_senior", "DataFormat": 1}
    key = client.call("CreateProduct", {"NodeType": 0, **parameters})["ProductKey"]
    assert client.call("GetThingScript", {"ProductKey": key})["Code"] == "iot.common.FileNotExist"
    python = tmp_path / "example.py"
    python.write_text(examples.PYTHON)
    assert manage("script", "set", key, script) is None
    manage("script", "set", key, str(python))

    def language() -> str | None:
        found: str | None = client.call("GetThingScript", {"ProductKey": key}).get("Data", {}).get("ScriptType")
        return found

    eventually(language, "Python_27")  # the node has found none before, and notices within two seconds
    python.write_text("")
    assert "must be a script of at most" in refusal("script", "set", key, str(python))
    assert "there is no product nobody" in refusal("script", "set", "nobody", script)
