"""The contract, and the check of answers against it."""

import json
from pathlib import Path
from typing import Any

import pytest

from thingplane.cloud import discover
from thingplane.cloud.conformance import violations
from thingplane.cloud.contract import CONTRACT, check

EXAMPLES: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("examples.json").read_text())
"""The shapes of the answers that the guide prints; all texts are "text", all numbers 1."""

# Where the printed example is not what the guide's own table and the official SDK say.
MISPRINTS: dict[str, list[str]] = {
    "QueryDeviceDetail": ["Data.NickName: unknown name"],
    "GetGatewayBySubDevice": ["Data.NodeType: int instead of string"],
    "QueryDeviceFileList": ["Data.FileStoreSummary: unknown name"],
    "QueryDeviceByStatus": [
        "CurrentPage: unknown name",
        "TotalPageCount: unknown name",
        "TotalCount: unknown name",
        "Data.SimpleDeviceInfo[1].DeviceStatus: unknown name",
    ],
    "ListOTAModuleVersionsByDevice": [
        "requestId: unknown name",
        "success: unknown name",
        "code: unknown name",
        "errorMessage: unknown name",
        "RequestId: missing",
        "Success: missing",
    ],
    "QuerySuperDeviceGroup": [
        "Data.GroupName: unknown name",
        "Data.GroupId: unknown name",
        "Data.GroupDesc: unknown name",
    ],
    "QueryDevicePropertyData": ["Data.List.PropertyInfo[0].Time: int instead of string"],
    "QueryDeviceEventData": ["Data.List.EventInfo[0].Time: int instead of string"],
    "QueryDeviceServiceData": ["Data.List.ServiceInfo[0].Time: int instead of string"],
    "QueryDeviceOriginalPropertyStatus": [
        "Data.nextPageToken: unknown name",
        "Data.List.PropertyStatusInfo: unknown name",
    ],
    "QueryDeviceOriginalPropertyData": ["Data.List.PropertyInfo[0].Time: int instead of string"],
    "QueryDeviceOriginalEventData": ["Data.List.EventInfo[0].Time: int instead of string"],
    "QueryDeviceOriginalServiceData": ["Data.List.ServiceInfo[0].Time: int instead of string"],
    "GetRule": ["RuleInfo.CreateUserId: str instead of integer"],
    "ListRule": ["Data.RuleInfo[0].CreateUserId: str instead of integer"],
    "Pub": ["MessageId: int instead of string"],
    "GetDeviceShadow": ["ShadowMessage: dict instead of string"],
    "ListOTAModuleByProduct": ["Data: dict instead of array"],
}


@pytest.mark.parametrize("operation", EXAMPLES)
def test_printed_examples_pass_but_for_known_misprints(operation: str) -> None:
    found = [text.removeprefix(f"{operation}.") for text in check(operation, EXAMPLES[operation])]
    assert found == MISPRINTS.get(operation, [])


def test_all_documented_operations_are_known() -> None:
    assert len(CONTRACT) == 168
    assert len(EXAMPLES) == 157
    assert set(EXAMPLES) <= set(CONTRACT)


@pytest.mark.parametrize(
    ("answer", "violation"),
    [
        ({"Data": {"ProductTag": {}}}, "Data.ProductTag: dict instead of array"),
        ({"Data": []}, "Data: list instead of object"),
        ({"Data": {"ProductTag": [{"TagKey": 1}]}}, "Data.ProductTag[0].TagKey: int instead of string"),
        ({"Data": {"ProductTag": [{"Other": 1}]}}, "Data.ProductTag[0].Other: unknown name"),
        ({"Success": 1}, "Success: int instead of boolean"),
        ({"Other": 1}, "Other: unknown name"),
    ],
)
def test_differences_are_found(answer: dict[str, Any], violation: str) -> None:
    found = check("ListProductTags", {"RequestId": "R", "Success": True, **answer})
    assert found == [f"ListProductTags.{violation}"]


def test_booleans_are_no_integers() -> None:
    answer = {"RequestId": "R", "Success": True, "Data": {"ApplyId": True}}
    assert check("BatchCheckDeviceNames", answer) == ["BatchCheckDeviceNames.Data.ApplyId: bool instead of integer"]


def test_undocumented_operations_and_missing_fields_are_found() -> None:
    assert check("MakeCoffee", {}) == ["MakeCoffee: not a documented operation"]
    assert check("DeleteProduct", {}) == ["DeleteProduct.RequestId: missing", "DeleteProduct.Success: missing"]


def test_every_implemented_operation_is_declared_as_documented() -> None:
    found = {name: wrong for name, operation in discover("thingplane").items() if (wrong := violations(operation))}
    assert found == {}
