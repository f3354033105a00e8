"""Access policies."""

import json
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingplane.cloud.policy import MANAGED_POLICIES, InvalidPolicyError, Policy

PRODUCT = "acs:iot:cn-shanghai:1:product/a1"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "1", "Statement": statements})


def allow(action: str | list[str], resource: str | list[str] = "*", effect: str = "Allow") -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource}


def test_nothing_is_allowed_without_a_statement() -> None:
    assert not Policy().allows("iot:QueryProduct", PRODUCT)


@pytest.mark.parametrize(
    ("action", "resource", "allowed"),
    [
        ("iot:QueryProduct", "*", True),
        ("iot:queryproduct", "*", True),
        ("iot:*", "*", True),
        ("*", "acs:iot:*:*:*", True),
        ("iot:Query?roduct", "acs:iot:*:*:product/a?", True),
        (["iot:Pub", "iot:QueryProduct"], ["x", PRODUCT], True),
        ("iot:*Prod*t", "acs:*:product/*1", True),
        ("*Query*Query*", "*", False),
        ("iot:*Product*Product", "*", False),
        ("iot:Query", "*", False),
        ("iot:QueryProductList", "*", False),
        ("iot.QueryProduct", "*", False),
        ("iot:QueryProduct", "acs:iot:*:*:product/b*", False),
        ("iot:QueryProduct", "acs:iot:*:*:PRODUCT/a1", False),
        ("oss:*", "*", False),
    ],
)
def test_wildcards_match_actions_and_resources(
    action: str | list[str], resource: str | list[str], allowed: bool
) -> None:
    assert Policy.parse(document(allow(action, resource))).allows("iot:QueryProduct", PRODUCT) is allowed


def test_an_explicit_deny_wins_in_any_order_and_document() -> None:
    yes, no = allow("*"), allow("iot:QueryProduct", effect="Deny")
    for policy in (
        Policy.parse(document(yes, no)),
        Policy.parse(document(no, yes)),
        Policy.parse(document(no), document(yes)),
    ):
        assert not policy.allows("iot:QueryProduct", PRODUCT)
        assert policy.allows("iot:Pub", PRODUCT)


@pytest.mark.parametrize(
    ("name", "action", "allowed"),
    [
        ("AliyunIOTFullAccess", "iot:DeleteProduct", True),
        ("AliyunIOTReadOnlyAccess", "iot:DeleteProduct", False),
        ("AliyunIOTReadOnlyAccess", "iot:QueryProduct", True),
        ("AliyunIOTReadOnlyAccess", "iot:ListRule", True),
        ("AliyunIOTReadOnlyAccess", "iot:GetRule", True),
        ("AliyunIOTReadOnlyAccess", "iot:BatchGetDeviceState", True),
        ("AliyunIOTReadOnlyAccess", "iot:BatchQueryDeviceDetail", True),
        ("AliyunIOTReadOnlyAccess", "iot:BatchRegisterDevice", False),
    ],
)
def test_managed_policies(name: str, action: str, allowed: bool) -> None:
    assert Policy.parse(MANAGED_POLICIES[name]).allows(action, PRODUCT) is allowed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        document(),
        document({**allow("*"), "Condition": {"IpAddress": {}}}),
        document(allow("*", effect="Maybe")),
        document(allow([])),
        document({"Effect": "Allow", "Action": "*"}),
        '{"Version": "2", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}',
    ],
)
def test_documents_that_cannot_be_enforced_are_refused(text: str) -> None:
    with pytest.raises(InvalidPolicyError):
        Policy.parse(text)


@given(st.text(max_size=30))
def test_other_characters_match_only_themselves(text: str) -> None:
    plain = text.replace("*", "").replace("?", "")
    policy = Policy.parse(document(allow(plain)))
    assert policy.allows(plain, "x")
    assert not policy.allows(plain + "#", "x")
    assert not policy.allows("#" + plain, "x")


@given(st.text("ab?*", max_size=8), st.text("ab", max_size=8))
def test_stars_match_as_the_standard_library_says(pattern: str, action: str) -> None:
    assert Policy.parse(document(allow(pattern))).allows(action, "x") is fnmatchcase(action, pattern)


def test_no_pattern_makes_matching_slow() -> None:
    policy = Policy.parse(document(allow("*", "*a" * 50 + "b")))
    assert not policy.allows("iot:Pub", "a" * 20_000)
