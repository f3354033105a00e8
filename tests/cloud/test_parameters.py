"""Decoding of parameters into structs, and the documented failure of every violation."""

from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingplane.cloud import BusinessError, ErrorCode, Field, GatewayError, Request, Struct
from thingplane.cloud.parameters import MAX_INDEX, StructDecoder, decode

EMPTY = ErrorCode("test.Empty", "It is empty.")
INVALID = ErrorCode("test.Invalid", "It is invalid.")
TOO_MANY = ErrorCode("test.TooMany", "They are too many.")


class TagParam(Struct):
    Key: Annotated[str, Field(empty=EMPTY, invalid=INVALID, max_length=5)]
    Value: str | None = None


class Sample(Request):
    Name: Annotated[str, Field(empty=EMPTY, invalid=INVALID, min_length=2, max_length=6, length="wide")]
    Page: Annotated[int, Field(minimum=1, maximum=50, invalid=INVALID)] = 10
    Ratio: float | None = None
    Flag: bool | None = None
    Kind: Annotated[str | None, Field(choices=("a", "b"), invalid=INVALID)] = None
    Payload: Annotated[str | None, Field(base64=True, invalid=INVALID)] = None
    Document: Annotated[str | None, Field(json=True, invalid=INVALID)] = None
    Text: Annotated[str | None, Field(max_length=4, length="bytes", invalid=INVALID)] = None
    DeviceName: Annotated[
        list[str], Field(min_items=2, max_items=3, too_many=TOO_MANY, unique=True, invalid=INVALID)
    ] = msgspec.field(default_factory=list)
    Number: list[Annotated[int, Field(minimum=5, invalid=INVALID)]] = msgspec.field(default_factory=list)
    Tag: Annotated[list[TagParam], Field(max_items=2, invalid=INVALID)] = msgspec.field(default_factory=list)


class Mandatory(Request):
    DeviceName: list[str]


class Misprinted(Request):
    NewName: Annotated[str, Field(invalid=INVALID, max_length=5, misprint="Name")]


def sample(**parameters: str) -> Sample:
    return decode(Sample, {"Name": "abc", **parameters})


def test_absent_optional_parameters_have_their_defaults() -> None:
    assert sample() == Sample(Name="abc")
    assert sample().Page == 10
    assert sample().IotInstanceId is None


def test_texts_become_the_declared_types() -> None:
    found = sample(Page="7", Ratio="-1.5e3", Flag="True", IotInstanceId="iot-1", Kind="a")
    assert (found.Page, found.Ratio, found.Flag, found.IotInstanceId, found.Kind) == (7, -1500.0, True, "iot-1", "a")


@pytest.mark.parametrize(("text", "value"), [("true", True), ("False", False), ("TRUE", True), ("fAlSe", False)])
def test_case_of_booleans_does_not_matter(text: str, value: bool) -> None:
    assert sample(Flag=text).Flag is value


def test_the_name_in_a_sample_of_the_guide_is_taken_where_the_documented_one_is_absent() -> None:
    assert decode(Misprinted, {"Name": "abc"}).NewName == "abc"
    assert decode(Misprinted, {"Name": "abc", "NewName": "def"}).NewName == "def"
    with pytest.raises(BusinessError):
        decode(Misprinted, {"Name": "abcdef"})
    with pytest.raises(GatewayError, match="NewName"):
        decode(Misprinted, {})


def test_unknown_parameters_are_ignored() -> None:
    assert sample(Unknown="1", **{"Unknown.1.x": "2", "Page.1": "3", "DeviceName": "4"}) == sample()


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"Page": "0"}, "test.Invalid"),
        ({"Page": "51"}, "test.Invalid"),
        ({"Page": "x"}, "test.Invalid"),
        ({"Page": ""}, "test.Invalid"),
        ({"Page": "1.0"}, "test.Invalid"),
        ({"Page": "+1"}, "test.Invalid"),
        ({"Page": "\u0661"}, "test.Invalid"),
        ({"Page": "9223372036854775808"}, "test.Invalid"),
        ({"Page": "9" * 5000}, "test.Invalid"),
        ({"Ratio": "nan"}, "iot.common.InvalidFormattedParameter"),
        ({"Ratio": "1e999"}, "iot.common.InvalidFormattedParameter"),
        ({"Flag": "yes"}, "iot.common.InvalidFormattedParameter"),
        ({"Flag": ""}, "iot.common.InvalidFormattedParameter"),
        ({"Kind": "c"}, "test.Invalid"),
        ({"Name": ""}, "test.Empty"),
        ({"Name": "a"}, "test.Invalid"),
        ({"Name": "abcdefg"}, "test.Invalid"),
        ({"Name": "\u706f\u706f\u706f\u706f"}, "test.Invalid"),
        ({"Name": "a\0b"}, "test.Invalid"),
        ({"Text": "\u706f\u706f"}, "test.Invalid"),
        ({"Payload": "a"}, "test.Invalid"),
        ({"Payload": "aGk=aGk="}, "test.Invalid"),
        ({"Payload": "a\nGk"}, "test.Invalid"),
        ({"Document": "{"}, "test.Invalid"),
        ({"Document": "[" * 100_000}, "test.Invalid"),
        ({"DeviceName.1": "only"}, "test.Invalid"),
        ({"DeviceName.1": "a", "DeviceName.2": "a"}, "test.Invalid"),
        ({f"DeviceName.{n}": str(n) for n in range(1, 5)}, "test.TooMany"),
        ({"DeviceName.1": "a", "DeviceName.2": ""}, "test.Invalid"),
        ({"DeviceName.1.x": "a"}, "test.Invalid"),
        ({"DeviceName.0": "a"}, "test.Invalid"),
        ({"DeviceName.01": "a"}, "test.Invalid"),
        ({"DeviceName.x": "a"}, "test.Invalid"),
        ({f"DeviceName.{MAX_INDEX + 1}": "a"}, "test.TooMany"),
        ({"DeviceName.99999999999999999999": "a"}, "test.Invalid"),
        ({"Number.1": "4"}, "test.Invalid"),
        ({"Tag.1": "a"}, "test.Invalid"),
        ({"Tag.1": "a", "Tag.1.Key": "b"}, "test.Invalid"),
        ({"Tag.1.Key": ""}, "test.Empty"),
        ({"Tag.1.Key": "toolong"}, "test.Invalid"),
        ({"Tag.1.Key": "a", "Tag.2.Key": "b", "Tag.3.Key": "c"}, "test.Invalid"),
    ],
)
def test_violations_raise_their_documented_code(parameters: dict[str, str], code: str) -> None:
    with pytest.raises(BusinessError) as caught:
        sample(**parameters)
    assert caught.value.code == code


def test_a_refusal_names_the_parameter_and_its_constraint() -> None:
    with pytest.raises(BusinessError, match=r"It is invalid\. \(Tag\.2\.Key: at most 5 characters\)"):
        sample(**{"Tag.1.Key": "a", "Tag.2.Key": "toolong"})


@pytest.mark.parametrize("text", ["", "aGk", "aGk=", "aGkx", "aGVsbG8gd29ybGQ"])
def test_padding_of_base64_may_be_missing(text: str) -> None:
    assert sample(Payload=text).Payload == text


def test_wide_characters_count_two_and_others_one() -> None:
    assert sample(Name="\u706f\u706f\u706f").Name == "\u706f\u706f\u706f"
    assert sample(Name="abcdef").Name == "abcdef"


def test_lists_are_ordered_by_number_and_gaps_are_closed() -> None:
    found = sample(**{"DeviceName.10": "ten", "DeviceName.2": "two", "Number.1": "5"})
    assert found.DeviceName == ["two", "ten"]
    assert found.Number == [5]


def test_entries_of_struct_lists_are_structs() -> None:
    found = sample(**{"Tag.1.Key": "a", "Tag.1.Value": "", "Tag.3.Key": "b", "Tag.3.Other": "x"})
    assert found.Tag == [TagParam(Key="a", Value=""), TagParam(Key="b")]


@pytest.mark.parametrize(
    ("struct", "parameters", "name"),
    [
        (Sample, {}, "Name"),
        (Sample, {"Name": "abc", "Tag.2.Value": "x"}, "Tag.2.Key"),
        (Mandatory, {}, "DeviceName"),
        (Mandatory, {"DeviceName": "x"}, "DeviceName"),
    ],
)
def test_absent_mandatory_parameters_are_refused_at_the_gateway(
    struct: type[Request], parameters: dict[str, str], name: str
) -> None:
    with pytest.raises(GatewayError) as caught:
        decode(struct, parameters)
    assert (caught.value.status, caught.value.code) == (400, f"Missing{name}")
    assert caught.value.message == f"{name} is mandatory for this action."


@pytest.mark.parametrize("hint", [dict[str, str], list[list[str]], TagParam, str | int, bytes])
def test_types_that_no_parameter_has_are_refused_when_the_decoder_is_compiled(hint: Any) -> None:
    struct = type("Bad", (Request,), {"__annotations__": {"x": hint}, "__module__": __name__})
    with pytest.raises(TypeError):
        StructDecoder(struct)


KEYS = st.one_of(
    st.sampled_from(["Name", "Page", "Ratio", "Flag", "Kind", "Payload", "Document", "Text", "Tag", "Tag.1.Key"]),
    st.builds(
        "{}.{}{}".format,
        st.sampled_from(["Tag", "DeviceName", "Number"]),
        st.integers(-1, 4),
        st.sampled_from(["", ".", ".Key", ".Value", ".Key.1"]),
    ),
    st.text(max_size=5),
)


@given(
    st.dictionaries(
        KEYS, st.one_of(st.text(max_size=8), st.sampled_from(["1", "true", "abc", "[]", "aGk="])), max_size=8
    )
)
def test_no_parameters_raise_anything_but_documented_errors(parameters: dict[str, str]) -> None:
    try:
        found = decode(Sample, {"Name": "abc", **parameters})
    except (BusinessError, GatewayError):
        return
    assert isinstance(found, Sample)
