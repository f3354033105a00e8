"""JSON and XML of answers."""

import json
from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingplane.cloud import BusinessError, GatewayError, Response, Struct
from thingplane.cloud.rendering import (
    answer_body,
    answer_builtins,
    business_error_body,
    gateway_error_body,
)


class Tag(Struct):
    TagKey: str
    TagValue: str | None = None


class Tags(Struct):
    ProductTag: list[Tag]


class Names(Struct):
    Name: list[str]


class Info(Struct):
    Id: int
    Enabled: bool
    Ratio: float | None = None


class Full(Response):
    Data: Tags | None = None
    InvalidList: Names | None = None
    ConsumerGroupIds: list[str] | None = None
    ModelVersions: list[Tag] | None = None
    RuleInfo: Info | None = None
    Message: str | None = None


class Counted(Response):
    Total: int = 0
    Page: int | None = 1
    Items: list[str] = msgspec.field(default_factory=list)
    Null: str | None


def xml(response: Response) -> str:
    text = answer_body("XML", "Op", "R", response).decode()
    start = '<?xml version="1.0" encoding="UTF-8"?><OpResponse><RequestId>R</RequestId><Success>true</Success>'
    assert text.startswith(start)
    assert text.endswith("</OpResponse>")
    return text.removeprefix(start).removesuffix("</OpResponse>")


def test_json_leaves_out_none_and_keeps_everything_else() -> None:
    answer = Full(Data=Tags(ProductTag=[Tag(TagKey="a")]), InvalidList=Names(Name=[]), Message="")
    body = answer_body("JSON", "Op", "R", answer)
    assert json.loads(body) == {
        "RequestId": "R",
        "Success": True,
        "Data": {"ProductTag": [{"TagKey": "a"}]},
        "InvalidList": {"Name": []},
        "Message": "",
    }
    assert json.loads(body) == answer_builtins("R", answer)


def test_json_keeps_values_that_equal_their_defaults() -> None:
    for answer, rest in (
        (Counted(Null=None), {"Total": 0, "Page": 1, "Items": []}),
        (Counted(Total=2, Page=None, Null="x"), {"Total": 2, "Items": [], "Null": "x"}),
    ):
        assert json.loads(answer_body("JSON", "Op", "R", answer)) == {"RequestId": "R", "Success": True, **rest}


def test_a_wrapped_list_is_an_element_with_one_child_per_entry() -> None:
    tags = Tags(ProductTag=[Tag(TagKey="a", TagValue="1"), Tag(TagKey="b")])
    assert xml(Full(Data=tags)) == (
        "<Data><ProductTag><TagKey>a</TagKey><TagValue>1</TagValue></ProductTag>"
        "<ProductTag><TagKey>b</TagKey></ProductTag></Data>"
    )
    assert xml(Full(InvalidList=Names(Name=["a", "b"]))) == "<InvalidList><Name>a</Name><Name>b</Name></InvalidList>"


def test_an_empty_wrapped_list_is_an_empty_element() -> None:
    assert xml(Full(Data=Tags(ProductTag=[]))) == "<Data></Data>"


def test_a_bare_list_repeats_its_element() -> None:
    assert xml(Full(ModelVersions=[Tag(TagKey="a"), Tag(TagKey="b")])) == (
        "<ModelVersions><TagKey>a</TagKey></ModelVersions><ModelVersions><TagKey>b</TagKey></ModelVersions>"
    )


def test_entries_of_a_bare_list_of_texts_are_called_e() -> None:
    assert xml(Full(ConsumerGroupIds=["a", "b"])) == "<ConsumerGroupIds><e>a</e><e>b</e></ConsumerGroupIds>"


def test_booleans_are_lower_case_words_in_xml() -> None:
    info = Info(Id=1, Enabled=False, Ratio=1.5)
    assert xml(Full(RuleInfo=info)) == "<RuleInfo><Id>1</Id><Enabled>false</Enabled><Ratio>1.5</Ratio></RuleInfo>"


@given(st.text())
def test_any_text_survives_xml_except_what_xml_cannot_say(text: str) -> None:
    body = answer_body("XML", "Op", "R", Full(Message=text))
    found = ET.fromstring(body).findtext("Message") or ""
    if all(char in "\t\n\r" or (char >= " " and char not in "\ufffe\uffff") for char in text):
        assert found == text
    else:
        assert len(found) == len(text)


@pytest.mark.parametrize("text", ["<&>\"'", "]]>", "\u706f", "a\rb"])
def test_markup_is_escaped(text: str) -> None:
    assert ET.fromstring(answer_body("XML", "Op", "R", Full(Message=text))).findtext("Message") == text


def test_failures_in_both_formats() -> None:
    business = BusinessError("iot.x.Y", "no <way>")
    assert json.loads(business_error_body("JSON", "Op", "R", business)) == {
        "RequestId": "R",
        "Success": False,
        "Code": "iot.x.Y",
        "ErrorMessage": "no <way>",
    }
    tree = ET.fromstring(business_error_body("XML", "Op", "R", business))
    assert [(item.tag, item.text) for item in tree] == [
        ("RequestId", "R"),
        ("Success", "false"),
        ("Code", "iot.x.Y"),
        ("ErrorMessage", "no <way>"),
    ]
    gateway = GatewayError(404, "X.Y", "gone")
    expected = {"RequestId": "R", "HostId": "h", "Code": "X.Y", "Message": "gone"}
    assert json.loads(gateway_error_body("JSON", "R", "h", gateway)) == expected
    error = ET.fromstring(gateway_error_body("XML", "R", "h", gateway))
    assert (error.tag, {item.tag: item.text for item in error}) == ("Error", expected)
