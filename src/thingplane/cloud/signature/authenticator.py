"""Checks the signature, age and uniqueness of calls."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NoReturn

from thingplane.clock import Clock
from thingplane.cloud.credentials import AccessKey, KeyRing
from thingplane.cloud.errors import GatewayError
from thingplane.cloud.form import Form
from thingplane.cloud.parameters import missing
from thingplane.cloud.signature import acs3, rpc
from thingplane.cloud.signature.nonces import NonceCache

WINDOW_MS: Final = 15 * 60_000
"""How far the timestamp of a call may be off."""
MAX_NONCE: Final = 128
"""Longest nonce, in characters."""


@dataclass(slots=True)
class SignedCall:
    """An HTTP request as far as it is signed."""

    method: str
    path: str
    query: Form
    parameters: Form
    """Query string and form body together."""
    body: bytes
    headers: Mapping[str, str]
    """By lower-case name."""


class Authenticator:
    """Finds out whose call it is."""

    def __init__(self, keys: KeyRing, clock: Clock, nonces: NonceCache | None = None) -> None:
        self._keys = keys
        self._clock = clock
        self._nonces = nonces or NonceCache(clock)
        self._parsed: tuple[str, int] = ("", 0)

    def authenticate(self, call: SignedCall) -> AccessKey:
        """Return the key that signed a call.

        The nonce is remembered only after the signature has proved valid, so that strangers cannot use up nonces.
        Parameters that the signature does not cover are taken out of the call.

        Raises:
            GatewayError: Missing…, InvalidAccessKeyId.NotFound, InvalidAccessKeyId.Inactive, IncompleteSignature,
                SignatureDoesNotMatch, InvalidTimeStamp.Format, InvalidTimeStamp.Expired, SignatureNonceUsed,
                Throttling, InvalidParameter, InvalidSecurityToken.NotSupported.
        """
        headers = call.headers
        if "SecurityToken" in call.parameters.values or "x-acs-security-token" in headers:
            raise GatewayError(
                400, "InvalidSecurityToken.NotSupported", "Temporary credentials (STS) do not exist on this platform."
            )
        if "authorization" in headers:
            key, timestamp, nonce = self._check_acs3(call)
        else:
            key, timestamp, nonce = self._check_rpc(call)
        if len(nonce) > MAX_NONCE:
            raise _invalid("SignatureNonce")
        sent_ms = self._parse_time(timestamp)
        if abs(self._clock.now_ms() - sent_ms) > WINDOW_MS:
            raise GatewayError(400, "InvalidTimeStamp.Expired", "Specified time stamp or date value is expired.")
        self._nonces.use(key.caller.access_key_id, nonce, sent_ms + WINDOW_MS)
        return key

    def _check_rpc(self, call: SignedCall) -> tuple[AccessKey, str, str]:
        values = call.parameters.values
        access_key_id = _mandatory(values, "AccessKeyId")
        signature = _mandatory(values, "Signature")
        timestamp = _mandatory(values, "Timestamp")
        nonce = _mandatory(values, "SignatureNonce")
        if values.get("SignatureMethod", "HMAC-SHA1").upper() != "HMAC-SHA1":
            raise _invalid("SignatureMethod")
        if values.get("SignatureVersion", "1.0") != "1.0":
            raise _invalid("SignatureVersion")
        if values.get("SignatureType"):
            raise _invalid("SignatureType")
        key = self._find(access_key_id)
        text = rpc.string_to_sign(call.method, call.parameters)
        if not _equal(rpc.sign(text, key.secret), signature):
            # The newer SDKs for Java send empty parameters without signing them. What nobody signed is not there.
            filled = call.parameters.filled()
            if not _equal(rpc.sign(rpc.string_to_sign(call.method, filled), key.secret), signature):
                _mismatch(text)
            call.parameters = filled
        return key, timestamp, nonce

    def _check_acs3(self, call: SignedCall) -> tuple[AccessKey, str, str]:
        headers = call.headers
        algorithm, _, rest = headers["authorization"].partition(" ")
        authorization = acs3.parse_authorization(rest) if algorithm == acs3.ALGORITHM else None
        if authorization is None:
            raise GatewayError(
                400,
                "IncompleteSignature",
                f"The Authorization header must be {acs3.ALGORITHM} Credential=…,SignedHeaders=…,Signature=….",
            )
        timestamp = _mandatory(headers, "x-acs-date")
        nonce = _mandatory(headers, "x-acs-signature-nonce")
        payload_hash = _mandatory(headers, "x-acs-content-sha256")
        signed = set(authorization.signed_headers.split(";"))
        # A header that decides what is done, or for whom, is worth nothing unless it is signed. The host decides
        # nothing, and the older SDK for Java leaves it out.
        unsigned = [name for name in headers if name.startswith("x-acs-") and name not in signed]
        if unsigned:
            raise GatewayError(400, "IncompleteSignature", f"Headers must be signed: {', '.join(sorted(unsigned))}.")
        key = self._find(authorization.access_key_id)
        request = acs3.canonical_request(
            call.method,
            call.path,
            call.query.canonical(),
            headers,
            signed_headers=authorization.signed_headers,
            payload_hash=payload_hash,
        )
        text = acs3.string_to_sign(request)
        if not _equal(acs3.sign(text, key.secret), authorization.signature.lower()):
            _mismatch(text)
        if not _equal(hashlib.sha256(call.body).hexdigest(), payload_hash.lower()):
            raise GatewayError(400, "SignatureDoesNotMatch", "The body does not have the hash of x-acs-content-sha256.")
        return key, timestamp, nonce

    def _find(self, access_key_id: str) -> AccessKey:
        key = self._keys.find_key(access_key_id)
        if key is None:
            raise GatewayError(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
        if not key.enabled:
            raise GatewayError(400, "InvalidAccessKeyId.Inactive", "Specified access key is disabled.")
        return key

    def _parse_time(self, text: str) -> int:
        """Return epoch milliseconds; calls of the same second share the work."""
        known, sent_ms = self._parsed
        if text != known:
            try:
                moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
            except ValueError as error:
                raise GatewayError(
                    400, "InvalidTimeStamp.Format", "Specified time stamp or date value is not well formatted."
                ) from error
            sent_ms = int(moment.timestamp()) * 1000
            self._parsed = (text, sent_ms)
        return sent_ms


def _mandatory(values: Mapping[str, str], name: str) -> str:
    value = values.get(name)
    if not value:
        raise missing(name)
    return value


def _invalid(name: str) -> GatewayError:
    return GatewayError(400, "InvalidParameter", f"Specified parameter {name} is not valid.")


def _equal(computed: str, received: str) -> bool:
    return hmac.compare_digest(computed.encode(), received.encode())


def _mismatch(text: str) -> NoReturn:
    raise GatewayError(
        400,
        "SignatureDoesNotMatch",
        f"Specified signature is not matched with our calculation. server string to sign is:{text}",
    )
