"""Taking over devices from a file: what is refused, and that nothing has changed then."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HEAD = "ProductKey,DeviceName,DeviceSecret\n"
SECRET = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("ProductKey,DeviceName\na1x,sensor\n", "has no column DeviceSecret"),
        (HEAD, "lists no devices"),
        (f"{HEAD}a/b,sensor-1,{SECRET}\n", "'a/b' is no ProductKey"),
        (f"{HEAD}a1refused,x,{SECRET}\n", "'x' is no DeviceName"),
        (f"{HEAD}a1refused,sensor-1,\n", "DeviceSecret of sensor-1"),
        (f"{HEAD}a1refused,sensor-1,{SECRET}\na1refused,sensor-1,{SECRET}\n", "listed twice"),
    ],
)
def test_malformed_file_is_refused_in_one_line(
    refusal: Callable[..., str], tmp_path: Path, content: str, complaint: str
) -> None:
    file = tmp_path / "devices.csv"
    file.write_text(content)
    line = refusal("import", str(file))
    assert complaint in line
    assert SECRET not in line


def test_device_with_another_secret_stays_and_none_of_the_others_come(
    manage: Callable[..., Any], refusal: Callable[..., str], tmp_path: Path
) -> None:
    file = tmp_path / "devices.csv"
    file.write_text(f"{HEAD}a1kept,sensor-1,{SECRET}\n")
    manage("import", str(file))
    file.write_text(f"{HEAD}a1kept,sensor-2,{SECRET}\na1kept,sensor-1,another\n")
    assert "sensor-1 exists already, with another DeviceSecret" in refusal("import", str(file))
    listed = manage("call", "QueryDevice", "ProductKey=a1kept")["Data"]["DeviceInfo"]
    assert [(device["DeviceName"], device["DeviceSecret"]) for device in listed] == [("sensor-1", SECRET)]


def test_thousands_of_devices_come_in_one_go(manage: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "devices.csv"
    file.write_text(HEAD + "".join(f"a1many,sensor-{number},{SECRET}\n" for number in range(2500)))
    assert manage("import", str(file), "--product-name", "many_meters") == [
        {"ProductKey": "a1many", "Added": 2500, "Present": 0}
    ]
    assert manage("call", "QueryProduct", "ProductKey=a1many")["Data"]["ProductName"] == "many_meters"


def test_name_for_files_of_several_products_is_refused(refusal: Callable[..., str], tmp_path: Path) -> None:
    file = tmp_path / "devices.csv"
    file.write_text(f"{HEAD}a1one,sensor-1,{SECRET}\na1two,sensor-1,{SECRET}\n")
    assert "file of one product" in refusal("import", str(file), "--product-name", "meters")
