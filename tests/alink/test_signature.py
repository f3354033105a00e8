"""The worked examples of the guide and of the device protocol."""

import pytest

from thingplane.alink import is_signed, signature

METER = {"productKey": "a1SubProd01", "deviceName": "meter-7", "clientId": "a1SubProd01&meter-7"}
SECRET = "fedcba9876543210fedcba9876543210"  # made up for the worked examples


def test_the_example_of_the_guide() -> None:
    fields = {
        "clientId": "868575026974305",
        "deviceName": "868575026974305",
        "productKey": "a1PB5fp1234",
        "timestamp": "1646277090411",
    }
    assert signature("1234", "hmacmd5", fields) == "3ba0dfa4c477b40c007d84d30d6466cc"
    assert is_signed("1234", "hmacMd5", fields, "3BA0DFA4C477B40C007D84D30D6466CC")


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("hmacSha1", "f2116462b83984e4d366646c5bf565194df518a5"),
        ("HMACSHA256", "3b366417893e57cd11cbfa3a0cb1667a842e81b9fc01cfd98b32526c355f6761"),
        ("Sha256", "3b366417893e57cd11cbfa3a0cb1667a842e81b9fc01cfd98b32526c355f6761"),
    ],
)
def test_every_submitted_field_is_signed(method: str, expected: str) -> None:
    fields = {**METER, "timestamp": "1600000000000"}
    assert signature(SECRET, method, fields) == expected
    assert not is_signed(SECRET, method, METER, expected)
    assert not is_signed("another secret", method, fields, expected)


def test_an_unknown_method_signs_nothing() -> None:
    assert signature(SECRET, "crc32", METER) is None
    assert not is_signed(SECRET, "crc32", METER, "")
    assert not is_signed(SECRET, "hmacsha1", METER, "ä")
