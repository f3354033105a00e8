"""Connect parameters: device-protocol reference, 1.3 to 1.5 and 13."""

import hmac

import pytest

from thingplane.gateway.authentication import (
    Credentials,
    RefusedError,
    Way,
    check_signature,
    parse_client_id,
    read_credentials,
    signature,
)

SECRET = "0123456789abcdef0123456789abcdef"
USERNAME = "sensor-01&a1ExampleK1"


def credentials(client_id: str, password: bytes = b"", username: str = USERNAME) -> Credentials:
    return read_credentials(client_id, username, password)


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ("signmethod=hmacmd5,timestamp=1600000000000", "28de589b5e383775b569820910f8b251"),
        ("signmethod=hmacsha1,timestamp=1600000000000", "06d6c2aaffd12c38174e9aa1dd9f2ff3e958f570"),
        (
            "timestamp=1600000000000,securemode=3,signmethod=hmacsha256",
            "81d11bedbdde002b5e77bb3c910dcaae128240485e0dfad1085fdfab5ce7d507",
        ),
        ("signmethod=hmacmd5", "2cb65bb29e83132b29456709496094e5"),
        ("securemode=2", "2cb65bb29e83132b29456709496094e5"),
        ("signmethod=hmacsha1", "4255e5c1856f4f44dd05217495ceb192f7eb59af"),
        ("signmethod=hmacsha256", "be081522bcb51cfa72224b02ee1e471670a1346e0fcab8c7366bab7eceeacea3"),
        # Clients of other vendors write the name as sub-devices do.
        ("signmethod=hmacSha256", "be081522bcb51cfa72224b02ee1e471670a1346e0fcab8c7366bab7eceeacea3"),
    ],
)
def test_the_signature_is_that_of_the_reference(parameters: str, expected: str) -> None:
    client_id = f"sn0001|{parameters}|"
    assert signature(credentials(client_id), SECRET) == expected
    for password in (expected, expected.upper()):
        check_signature(credentials(client_id, password.encode()), SECRET)


def test_the_signature_is_that_of_the_vendor_s_example() -> None:
    given = read_credentials("12345|signmethod=hmacsha1,timestamp=789|", "device&pk", None)
    assert signature(given, "secret") == "FAFD82A3D602B37FB0FA8B7892F24A477F851A14".lower()


@pytest.mark.parametrize(
    ("parameters", "password"),
    [
        ("signmethod=hmacmd5", "2cb65bb29e83132b29456709496094e4"),
        ("signmethod=hmacmd5,timestamp=1", "2cb65bb29e83132b29456709496094e5"),
        ("signmethod=hmacmd5", ""),
        ("signmethod=hmacmd5", "2cb65bb29e83132b29456709496094e5\xff"),
        ("signmethod=sha256", "2cb65bb29e83132b29456709496094e5"),
        ("signmethod=", "2cb65bb29e83132b29456709496094e5"),
    ],
)
def test_a_wrong_signature_and_an_undefined_method_are_refused(parameters: str, password: str) -> None:
    given = credentials(f"sn0001|{parameters}|", password.encode("latin-1"))
    with pytest.raises(RefusedError) as refusal:
        check_signature(given, SECRET)
    assert refusal.value.code == 4


@pytest.mark.parametrize(
    ("text", "cid", "parameters"),
    [
        ("sn0001", "sn0001", {}),
        ("sn0001||", "sn0001", {}),
        ("a.b|ext=3,|", "a.b", {"ext": "3"}),
        ("a|,ext=3,,_ss=1|", "a", {"ext": "3", "_ss": "1"}),
        ("a|_conn=tls_0=1,new=|", "a", {"_conn": "tls_0=1", "new": ""}),
        ("a|ext=1,ext=2|", "a", {"ext": "2"}),
        ("传感器|ext=1|", "传感器", {"ext": "1"}),
        ("x" * 64 + "|ext=1|", "x" * 64, {"ext": "1"}),
    ],
)
def test_client_ids_are_taken_apart(text: str, cid: str, parameters: dict[str, str]) -> None:
    parsed = parse_client_id(text)
    assert (parsed.cid, parsed.parameters) == (cid, parameters)


@pytest.mark.parametrize(
    "text", ["", "|ext=1|", "x" * 65, "a|ext=1", "a|", "a|ext=1|b", "a|ext=1||", "a|ext|", "a|=1|", "a|securemode=9|"]
)
def test_malformed_client_ids_are_refused_with_code_2(text: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        credentials(text)
    assert refusal.value.code == 2


@pytest.mark.parametrize(
    "username", [None, "", "sensor-01", "&a1ExampleK1", "sensor-01&", "a&b&c", "a b&c", "+&c", "a/b&c", "a&#"]
)
def test_user_names_of_another_form_are_refused_with_code_4(username: str | None) -> None:
    with pytest.raises(RefusedError) as refusal:
        read_credentials("sn0001", username, b"")
    assert refusal.value.code == 4


@pytest.mark.parametrize(
    ("parameters", "way"),
    [
        ("", Way.SECRET),
        ("securemode=3", Way.SECRET),
        ("securemode=2,authType=register,random=1,signmethod=hmacsha256", Way.REGISTER),
        ("securemode=-2,authType=register,random=1", Way.REGISTER),
        ("securemode=-2,authType=regnwl,random=1,instanceId=iot-1", Way.REGISTER_CLIENT),
        ("securemode=2,authtype=regnwl,random=1", Way.REGISTER_CLIENT),
        ("authType=connwl,securemode=-2,_ss=1,ext=3", Way.CLIENT_TOKEN),
        ("authType=regnwl,securemode=-2", Way.CLIENT_TOKEN),
    ],
)
def test_the_way_of_authentication_is_told_by_the_extended_parameters(parameters: str, way: Way) -> None:
    given = read_credentials(f"sn0001|{parameters}|", USERNAME, b"", secure=True)
    assert (given.way, given.product_key, given.device_name) == (way, "a1ExampleK1", "sensor-01")


def test_after_authentication_over_https_the_user_name_is_the_iot_id() -> None:
    given = read_credentials("sn0001|securemode=-1,gw=0|", "Kq3abc000000", b"token", secure=True)
    assert (given.way, given.iot_id) == (Way.IOT_TOKEN, "Kq3abc000000")
    with pytest.raises(RefusedError) as refusal:
        read_credentials("sn0001|securemode=-1|", USERNAME, b"token", secure=True)
    assert refusal.value.code == 4


@pytest.mark.parametrize("username", [None, "", "&", USERNAME])
def test_a_device_with_a_certificate_need_not_say_its_names(username: str | None) -> None:
    given = read_credentials(".|securemode=2,signmethod=hmacsha256|", username, b"", secure=True, certified=True)
    assert given.way is Way.CERTIFICATE


@pytest.mark.parametrize("username", ["+&a1ExampleK1", "sensor-01", "&a1ExampleK1", "sensor-01&"])
def test_names_beside_a_certificate_must_have_their_form(username: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        read_credentials("a|securemode=2|", username, b"", secure=True, certified=True)
    assert refusal.value.code == 4


@pytest.mark.parametrize("parameters", ["authtype=id2", "securemode=8", "securemode=-2", "authType=x", "authType=ID2"])
def test_ways_that_are_not_offered_are_refused_with_code_4(parameters: str) -> None:
    with pytest.raises(RefusedError) as refusal:
        credentials(f"sn0001|{parameters}|")
    assert (refusal.value.code, refusal.value.reason) == (4, "auth_type")


@pytest.mark.parametrize(
    ("parameters", "secure"),
    [
        ("authType=register,random=1,securemode=2", False),
        ("authType=regnwl,random=1,securemode=-2", False),
        ("securemode=-1", False),
        ("authType=register,securemode=2", True),
        ("authType=register,random=,securemode=2", True),
        ("authType=register,random=1,securemode=3", True),
        ("authType=regnwl,random=1,signmethod=sha256", True),
        ("authType=connwl,securemode=8", True),
    ],
)
def test_what_a_way_needs_is_told_with_code_2(parameters: str, secure: bool) -> None:
    with pytest.raises(RefusedError) as refusal:
        read_credentials(f"sn0001|{parameters}|", USERNAME, b"", secure=secure)
    assert refusal.value.code == 2


@pytest.mark.parametrize("head", ["clientId", ""])
def test_mqtt_5_clients_may_leave_their_identifier_to_the_server(head: str) -> None:
    content = f"{head}deviceNamesensor-01productKeya1ExampleK1timestamp1"
    password = hmac.digest(SECRET.encode(), content.encode(), "sha256").hex().encode()
    given = read_credentials("|timestamp=1,signmethod=hmacsha256|", USERNAME, password, assigned=True)
    check_signature(given, SECRET)
    with pytest.raises(RefusedError):
        read_credentials("|timestamp=1,signmethod=hmacsha256|", USERNAME, password)


@pytest.mark.parametrize(("text", "bits"), [("ext=3,", 3), ("ext=0", 0), ("_ss=1", 0), ("ext=x", 0), ("ext=-1", 0)])
def test_extensions_are_a_decimal_bitmap(text: str, bits: int) -> None:
    assert credentials(f"a|{text}|").extensions == bits


def test_the_password_is_not_shown() -> None:
    assert "geheim" not in repr(credentials("a", b"geheim"))
