"""``thingplane call``: operations from a shell."""

import json
from pathlib import Path

from tests.common.cli import run, run_on
from tests.common.node import NodeProcess

PAGE = ("CurrentPage=1", "PageSize=10")


def test_answer_is_json_in_a_pipe_and_the_exit_status_is_0(node: NodeProcess) -> None:
    answer = run_on(node, "call", "QueryProductList", *PAGE)
    assert answer["Success"] is True
    assert answer["Data"]["PageSize"] == 10


def test_answer_without_success_is_printed_and_the_exit_status_is_1(node: NodeProcess) -> None:
    result = run("call", "QueryProduct", "ProductKey=a1nothing", "--data-dir", node.data_dir)
    assert result.returncode == 1
    assert result.stderr == ""
    assert json.loads(result.stdout)["Code"] == "iot.prod.NotExistedProduct"


def test_parameter_takes_the_content_of_a_file(node: NodeProcess, tmp_path: Path) -> None:
    file = tmp_path / "name"
    file.write_text("from_a_file")
    created = run_on(
        *(node, "call", "CreateProduct", f"ProductName=@{file}", "NodeType=0", "NetType=WIFI", "DataFormat=1"),
        "AliyunCommodityCode=iothub_senior",
    )
    found = run_on(node, "call", "QueryProduct", f"ProductKey={created['ProductKey']}")
    assert found["Data"]["ProductName"] == "from_a_file"


def test_endpoint_and_key_may_be_given_without_a_data_directory(node: NodeProcess, tmp_path: Path) -> None:
    key_id, secret = node.credentials
    key = ("--access-key-id", key_id, "--access-key-secret", secret)
    result = run("call", "QueryProductList", *PAGE, "--endpoint", node.ready["endpoints"]["api"], *key, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    environment = {"THINGPLANE_ACCESS_KEY_ID": key_id, "THINGPLANE_ACCESS_KEY_SECRET": secret}
    result = run(
        *("call", "QueryProductList", *PAGE, "--endpoint", node.ready["endpoints"]["api"]),
        environment=environment,
        cwd=tmp_path,
    )
    assert result.returncode == 0, result.stderr


def test_what_the_gateway_refuses_is_one_line(node: NodeProcess) -> None:
    key = ("--access-key-id", "nobody", "--access-key-secret", "hush")
    result = run("call", "QueryProductList", *PAGE, "--data-dir", node.data_dir, *key)
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert "InvalidAccessKeyId.NotFound" in line
    assert "hush" not in line
