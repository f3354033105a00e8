"""What gateways send on ``/ext/session/…``, with the liberties that SDKs take (device-protocol reference, 4.4)."""

from typing import Any

import msgspec

from thingplane.alink import SignedItem, Uplink, read_request, read_signed_item


class MalformedError(Exception):
    """The request cannot be read."""


class _Batch(msgspec.Struct):
    deviceList: list[dict[str, msgspec.Raw]]
    signMethod: str = ""


class _Named(msgspec.Struct):
    productKey: str
    deviceName: str


class _Logout(msgspec.Struct):
    productKey: str = ""
    deviceName: str = ""
    deviceList: list[_Named] = []


Name = tuple[str, str]


def read_login(uplink: Uplink) -> dict[Name, SignedItem]:
    """Return the sub-device to log in.

    Raises:
        MalformedError: the request is no such thing.
    """
    return _signed([_params(uplink, dict[str, msgspec.Raw])], "")


def read_batch_login(uplink: Uplink) -> dict[Name, SignedItem]:
    """Return the sub-devices to log in, by their names; SDKs name the method of signing once for all.

    Raises:
        MalformedError: the request is no such thing, or names no device.
    """
    batch: _Batch = _params(uplink, _Batch)
    return _signed(batch.deviceList, batch.signMethod)


def read_logout(uplink: Uplink) -> list[Name]:
    """Return the names of the sub-devices to log out, each once.

    Raises:
        MalformedError: the request is no such thing, or names no device.
    """
    params = _params(uplink, list[_Named] | _Logout)
    if isinstance(params, _Logout):
        # One device; or a list of them as logins have it.
        params = params.deviceList or [_Named(params.productKey, params.deviceName)]
    names = list(dict.fromkeys((item.productKey, item.deviceName) for item in params))
    if not names or not all(product_key and name for product_key, name in names):
        raise MalformedError
    return names


def _signed(items: list[dict[str, msgspec.Raw]], method: str) -> dict[Name, SignedItem]:
    try:
        signed = [read_signed_item(item, method) for item in items]
    except ValueError as error:
        raise MalformedError from error
    if not signed:
        raise MalformedError
    return {(item.product_key, item.device_name): item for item in signed}


def _params(uplink: Uplink, kind: Any) -> Any:
    """Return the params of a request whose topic the Alink layer has not read."""
    if not uplink.params and not read_request(uplink, b""):
        uplink.replies.clear()
        raise MalformedError
    try:
        return msgspec.json.decode(uplink.params, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError from error
