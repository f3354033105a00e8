"""Comparing declarations with the contract."""

from tests.cloud.sample import Empty, QueryProductResponse, declare, query_product

from thingplane.cloud import Request, Response, Struct
from thingplane.cloud.conformance import violations


class ProductKeyRequest(Request):
    ProductKey: str


class WrongRequest(Request):
    ProductKey: int
    Extra: str | None = None


class BareTags(Response):
    Data: list[str]


class WrongInfo(Struct):
    ProductKey: bool
    Other: str | None = None


class WrongResponse(Response):
    Data: WrongInfo | None = None


class DirectResponse(Response):
    Data: str | None = None


def test_a_declaration_as_documented_has_no_violations() -> None:
    operation = declare("QueryProduct", query_product, ProductKeyRequest, QueryProductResponse, qps=500)
    found = violations(operation)
    assert [text for text in found if not text.startswith("qps")] == []


def test_parameters_that_differ_are_found() -> None:
    operation = declare("DeleteProduct", query_product, WrongRequest, Empty)
    found = violations(operation)
    assert "parameter ProductKey is integer instead of string" in found
    assert "parameter Extra is not documented" in found
    missing = violations(declare("DeleteProduct", query_product, Request, Empty))
    assert "parameter ProductKey is not declared" in missing


def test_answers_that_differ_are_found() -> None:
    cases: dict[type[Response], list[str]] = {
        WrongResponse: ["answer Data.ProductKey is boolean instead of string", "answer Data.Other is not documented"],
        BareTags: ["answer Data is a list"],
        DirectResponse: ["answer Data must be object"],
    }
    for response, expected in cases.items():
        found = violations(declare("QueryProduct", query_product, ProductKeyRequest, response))
        assert [text for text in found if text.startswith("answer")] == expected


def test_the_documented_rate_is_compared() -> None:
    found = violations(declare("QueryProduct", query_product, ProductKeyRequest, QueryProductResponse, qps=1))
    assert any(text.startswith("qps 1 instead of") for text in found)


def test_undocumented_operations_are_found() -> None:
    assert violations(declare("MakeCoffee", query_product, Request, Empty)) == [
        "MakeCoffee is not a documented operation"
    ]
