"""Both signature schemes against the guide's example and the functions of the official SDK."""

import re
from typing import Any

import pytest
from alibabacloud_tea_openapi.utils import Utils
from tests.common.api import Keys
from tests.common.clock import FakeClock

from thingplane.cloud import Caller, GatewayError
from thingplane.cloud.client import SignedRequest, Signer
from thingplane.cloud.credentials import AccessKey
from thingplane.cloud.form import Form
from thingplane.cloud.signature import Authenticator, SignedCall, rpc
from thingplane.cloud.signature.nonces import NonceCache

GUIDE_EXAMPLE = (
    b"Action=Pub&MessageContent=aGVsbG8gd29ybGQ&Timestamp=2018-07-31T07:43:57Z&SignatureVersion=1.0&Format=XML&Qos=0"
    b"&SignatureNonce=3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf&Version=2018-01-20&AccessKeyId=testid"
    b"&SignatureMethod=HMAC-SHA1&RegionId=cn-shanghai&ProductKey=12345abcde"
    b"&TopicFullName=/12345abcde/testdevice/user/get"
)
GUIDE_TIME_MS = 1_533_023_037_000
GUIDE_SIGNATURE = "NUh3otvAoXOZmG/a2gDShh6Ze9w="
KEYS = Keys(
    AccessKey(Caller("1", "testid"), "testsecret"),
    AccessKey(Caller("1", "disabled"), "testsecret", enabled=False),
)


def received(request: SignedRequest, **headers: str) -> SignedCall:
    """Return a request as the application sees it."""
    path, _, query = request.target.partition("?")
    form = Form.parse(query.encode())
    parameters = form.merged(Form.parse(request.body))
    return SignedCall(request.method, path, form, parameters, request.body, {**request.headers, **headers})


def query_call(query: bytes, method: str = "GET") -> SignedCall:
    return received(SignedRequest(method, f"/?{query.decode()}", {}, b""))


@pytest.fixture
def authenticator(clock: FakeClock) -> Authenticator:
    return Authenticator(KEYS, clock)


def signer(clock: FakeClock, scheme: Any = "rpc", key: str = "testid", secret: str = "testsecret") -> Signer:
    return Signer(key, secret, scheme=scheme, host="api.test", clock=clock)


def refusal(authenticator: Authenticator, call: SignedCall) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        authenticator.authenticate(call)
    return caught.value


def test_the_example_of_the_guide_is_accepted() -> None:
    assert rpc.sign(rpc.string_to_sign("GET", Form.parse(GUIDE_EXAMPLE)), "testsecret") == GUIDE_SIGNATURE
    authenticator = Authenticator(KEYS, FakeClock(GUIDE_TIME_MS))
    key = authenticator.authenticate(query_call(GUIDE_EXAMPLE + b"&Signature=NUh3otvAoXOZmG%2Fa2gDShh6Ze9w%3D"))
    assert key.caller.access_key_id == "testid"


def test_the_official_function_gives_the_same_signature() -> None:
    values = {"b": "a b/+*~%\u706f", "SignatureType": "", "Tag.1": "x", "Tag": "=&"}
    raw = "&".join(f"{name}={Utils.get_encode_param(value)}" for name, value in values.items())
    expected = Utils.get_rpcsignature(values, "POST", "s3cret")
    assert rpc.sign(rpc.string_to_sign("POST", Form.parse(raw.encode())), "s3cret") == expected


@pytest.mark.parametrize("scheme", ["rpc", "acs3"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_signed_calls_are_accepted(authenticator: Authenticator, clock: FakeClock, scheme: str, method: str) -> None:
    request = signer(clock, scheme).sign("Pub", {"A": "b c+/=~*", "L": ["1", True], "T": [{"K": 1}]}, method=method)
    assert authenticator.authenticate(received(request)).caller.access_key_id == "testid"


@pytest.mark.parametrize("scheme", ["rpc", "acs3"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_changed_parameter_breaks_the_signature(
    authenticator: Authenticator, clock: FakeClock, scheme: str, method: str
) -> None:
    request = signer(clock, scheme).sign("Pub", {"Amount": "1"}, method=method)
    forged = request._replace(
        target=request.target.replace("Amount=1", "Amount=2"), body=request.body.replace(b"Amount=1", b"Amount=2")
    )
    assert forged != request
    error = refusal(authenticator, received(forged))
    assert (error.status, error.code) == (400, "SignatureDoesNotMatch")


def test_a_parameter_added_to_the_query_breaks_the_signature(authenticator: Authenticator, clock: FakeClock) -> None:
    for scheme in ("rpc", "acs3"):
        request = signer(clock, scheme).sign("Pub", {})
        forged = request._replace(target="/?Amount=2")
        assert refusal(authenticator, received(forged)).code == "SignatureDoesNotMatch"


def test_empty_parameters_that_are_not_signed_are_not_there(authenticator: Authenticator, clock: FakeClock) -> None:
    """The SDKs for Java but the oldest one send them so with the query signature."""
    call = query_call(signer(clock).sign("Pub", {"Amount": "1"}, method="GET").target[2:].encode() + b"&Where=&More")
    assert authenticator.authenticate(call).caller.access_key_id == "testid"
    assert call.parameters.values["Amount"] == "1"
    assert not {"Where", "More"} & set(call.parameters.values)


def test_empty_parameters_that_are_signed_stay(authenticator: Authenticator, clock: FakeClock) -> None:
    call = received(signer(clock).sign("Pub", {"Amount": "1", "Where": ""}))
    authenticator.authenticate(call)
    assert call.parameters.values["Where"] == ""


def test_the_header_signature_covers_empty_parameters(authenticator: Authenticator, clock: FakeClock) -> None:
    request = signer(clock, "acs3").sign("Pub", {"Amount": "1"}, method="GET")
    error = refusal(authenticator, received(request._replace(target=request.target + "&Where=")))
    assert error.code == "SignatureDoesNotMatch"


def test_the_refusal_shows_what_the_server_signed_but_no_secret(authenticator: Authenticator, clock: FakeClock) -> None:
    request = signer(clock, secret="wrong").sign("Pub", {"A": "b"})
    error = refusal(authenticator, received(request))
    assert "server string to sign is:POST&%2F&A%3Db%26" in error.message
    assert "testsecret" not in error.message


def test_unknown_and_disabled_keys_are_refused(authenticator: Authenticator, clock: FakeClock) -> None:
    for scheme in ("rpc", "acs3"):
        unknown = refusal(authenticator, received(signer(clock, scheme, "nobody").sign("Pub", {})))
        assert (unknown.status, unknown.code) == (404, "InvalidAccessKeyId.NotFound")
        disabled = refusal(authenticator, received(signer(clock, scheme, "disabled").sign("Pub", {})))
        assert (disabled.status, disabled.code) == (400, "InvalidAccessKeyId.Inactive")


@pytest.mark.parametrize("scheme", ["rpc", "acs3"])
@pytest.mark.parametrize("seconds", [-901, 901])
def test_calls_from_another_time_are_refused(
    authenticator: Authenticator, clock: FakeClock, scheme: str, seconds: int
) -> None:
    request = signer(clock, scheme).sign("Pub", {})
    clock.advance(seconds)
    error = refusal(authenticator, received(request))
    assert (error.status, error.code) == (400, "InvalidTimeStamp.Expired")


@pytest.mark.parametrize("scheme", ["rpc", "acs3"])
@pytest.mark.parametrize("seconds", [0, 1, 899, -899])
def test_a_call_is_accepted_once(authenticator: Authenticator, clock: FakeClock, scheme: str, seconds: int) -> None:
    request = signer(clock, scheme).sign("Pub", {})
    authenticator.authenticate(received(request))
    clock.advance(seconds)
    error = refusal(authenticator, received(request))
    assert (error.status, error.code) == (400, "SignatureNonceUsed")


def test_a_call_with_a_wrong_signature_uses_up_no_nonce(authenticator: Authenticator, clock: FakeClock) -> None:
    request = signer(clock).sign("Pub", {})
    forged = request._replace(body=request.body.replace(b"Signature=", b"Signature=x"))
    assert refusal(authenticator, received(forged)).code == "SignatureDoesNotMatch"
    authenticator.authenticate(received(request))


@pytest.mark.parametrize("name", ["AccessKeyId", "Signature", "Timestamp", "SignatureNonce"])
def test_parts_of_the_query_signature_are_mandatory(authenticator: Authenticator, name: str) -> None:
    query = re.sub(f"{name}=[^&]*&?".encode(), b"", GUIDE_EXAMPLE + b"&Signature=x")
    error = refusal(authenticator, query_call(query))
    assert (error.status, error.code) == (400, f"Missing{name}")


@pytest.mark.parametrize("name", ["x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"])
def test_parts_of_the_header_signature_are_mandatory(authenticator: Authenticator, clock: FakeClock, name: str) -> None:
    request = signer(clock, "acs3").sign("Pub", {})
    del request.headers[name]
    assert refusal(authenticator, received(request)).code == f"Missing{name}"


@pytest.mark.parametrize(
    "change", [b"SignatureMethod=HMAC-SHA256", b"SignatureVersion=2.0", b"SignatureType=BEARERTOKEN"]
)
def test_other_kinds_of_signatures_are_refused(authenticator: Authenticator, change: bytes) -> None:
    query = change + b"&" + GUIDE_EXAMPLE + b"&Signature=x"
    error = refusal(authenticator, query_call(query))
    assert (error.status, error.code) == (400, "InvalidParameter")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "ACS3-RSA-SHA256 Credential=a,SignedHeaders=host,Signature=00",
        "ACS3-HMAC-SHA256 nonsense",
        "ACS3-HMAC-SHA256 Credential=a,Signature=00",
        "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=00,Signature=00",
        "ACS3-HMAC-SHA256 Credential=,SignedHeaders=host,Signature=00",
        "Bearer x",
    ],
)
def test_a_malformed_authorization_is_refused(authenticator: Authenticator, clock: FakeClock, value: str) -> None:
    request = signer(clock, "acs3").sign("Pub", {})
    error = refusal(authenticator, received(request, authorization=value))
    assert (error.status, error.code) == (400, "IncompleteSignature")


def test_headers_that_mean_something_must_be_signed(authenticator: Authenticator, clock: FakeClock) -> None:
    request = signer(clock, "acs3").sign("Pub", {})
    error = refusal(authenticator, received(request, **{"x-acs-extra": "1"}))
    assert error.code == "IncompleteSignature"
    assert "x-acs-extra" in error.message


@pytest.mark.parametrize("text", ["2018-07-31", "yesterday", "2018-13-31T07:43:57Z"])
def test_a_malformed_time_is_refused(authenticator: Authenticator, text: str) -> None:
    query = GUIDE_EXAMPLE.replace(b"2018-07-31T07:43:57Z", text.encode())
    signature = rpc.sign(rpc.string_to_sign("GET", Form.parse(query)), "testsecret")
    error = refusal(authenticator, query_call(query + f"&Signature={Utils.get_encode_param(signature)}".encode()))
    assert (error.status, error.code) == (400, "InvalidTimeStamp.Format")


def test_temporary_credentials_are_refused(authenticator: Authenticator, clock: FakeClock) -> None:
    by_header = signer(clock, "acs3").sign("Pub", {})
    by_query = signer(clock).sign("Pub", {"SecurityToken": "x"})
    for call in (received(by_header, **{"x-acs-security-token": "x"}), received(by_query)):
        assert refusal(authenticator, call).code == "InvalidSecurityToken.NotSupported"


def test_endless_nonces_are_refused(authenticator: Authenticator) -> None:
    query = GUIDE_EXAMPLE.replace(b"3ee8c1b8", b"x" * 128)
    signature = rpc.sign(rpc.string_to_sign("GET", Form.parse(query)), "testsecret")
    call = query_call(query + f"&Signature={Utils.get_encode_param(signature)}".encode())
    assert refusal(authenticator, call).code == "InvalidParameter"


def test_a_full_nonce_cache_refuses_rather_than_forgets(clock: FakeClock) -> None:
    cache = NonceCache(clock, capacity=2)
    expires = clock.now_ms() + 900_000
    cache.use("a", "1", expires)
    cache.use("b", "1", expires)
    with pytest.raises(GatewayError) as full:
        cache.use("a", "2", expires)
    assert full.value.code == "Throttling"
    with pytest.raises(GatewayError) as used:
        cache.use("a", "1", expires)
    assert used.value.code == "SignatureNonceUsed"


def test_nonces_are_forgotten_when_their_calls_have_expired(clock: FakeClock) -> None:
    cache = NonceCache(clock, capacity=3)
    for hour in range(10):
        for number in range(3):
            cache.use("a", f"{hour}.{number}", clock.now_ms() + 900_000)
        clock.advance(3600)
    assert len(cache) == 3
