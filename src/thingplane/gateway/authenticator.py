"""Finding out who connects, by all the ways there are (device-protocol reference, 1.3, 1.10, 1.11, 2.3, 2.4, 2.6)."""

import asyncio
from typing import Final

import msgspec

from thingplane.alink import Code
from thingplane.devices.service import DeviceService, RegistrationRefusedError, RegistrationRequest, TokenError
from thingplane.gateway.authentication import Credentials, Way, check_signature
from thingplane.gateway.client_id import RefusedError, malformed, unauthorized
from thingplane.gateway.ports import ConnectingDevice, ConnectingProduct, Devices, Products
from thingplane.gateway.transport import Peer
from thingplane.mqtt import ConnackCode

IOT_TOKEN_SECONDS: Final = 7 * 86_400
"""Life of the tokens that devices get over HTTPS for MQTT (device-protocol, 2.6)."""

_AUTH_TYPES: Final = {Way.CERTIFICATE: "x509"}
"""AuthType of the products whose devices connect in this way; secret for the others."""


class Authenticator:
    """Identifies devices, and answers those that want an identity."""

    def __init__(self, devices: Devices, products: Products, identities: DeviceService | None) -> None:
        """Wire.

        Args:
            devices: finds devices.
            products: knows how devices of a product authenticate.
            identities: tokens, certificates and registration; None: devices have nothing but their secrets.
        """
        self._devices = devices
        self._products = products
        self._identities = identities
        self._reading: dict[str, asyncio.Task[ConnectingProduct | None]] = {}

    def at_hand(self, credentials: Credentials, peer: Peer) -> ConnectingDevice | None:
        """Return who connects with a secret, if all that is needed is in memory; None says nothing.

        Raises:
            RefusedError: it is not who it says it is.
        """
        if credentials.way is not Way.SECRET:
            return None
        device = self._devices.cached(credentials.product_key, credentials.device_name)
        product = self._products.cached(credentials.product_key)
        if device is None or product is None:
            return None
        check_signature(credentials, device.secret)
        _check(credentials, peer, device, product.auth_type)
        return device

    async def identify(self, credentials: Credentials, peer: Peer) -> ConnectingDevice:
        """Return who connects.

        Raises:
            RefusedError: it is not who it says it is.
        """
        match credentials.way:
            case Way.SECRET:
                device = await self._named(credentials)
                check_signature(credentials, device.secret)
            case Way.CERTIFICATE:
                device = await self._certified(credentials, peer)
            case Way.CLIENT_TOKEN:
                device = await self._with_client_token(credentials)
            case Way.IOT_TOKEN:
                device = await self._with_iot_token(credentials)
            case _:
                raise unauthorized("auth_type")
        product = await self._product(device.product_key)
        if product is None:
            raise unauthorized("unknown")
        _check(credentials, peer, device, product.auth_type)
        return device

    async def _product(self, product_key: str) -> ConnectingProduct | None:
        """Return a product; it is read once, however many of its devices connect meanwhile."""
        product = self._products.cached(product_key)
        if product is not None:
            return product
        task = self._reading.get(product_key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._read(product_key))
            self._reading[product_key] = task
        return await asyncio.shield(task)

    async def _read(self, product_key: str) -> ConnectingProduct | None:
        try:
            return await self._products.find(product_key)
        finally:
            del self._reading[product_key]

    async def _named(self, credentials: Credentials) -> ConnectingDevice:
        device = await self._devices.find(credentials.product_key, credentials.device_name)
        if device is None:
            raise unauthorized("unknown")
        return device

    async def _certified(self, credentials: Credentials, peer: Peer) -> ConnectingDevice:
        if self._identities is None or peer.certificate is None:
            raise unauthorized("certificate")
        device = await self._identities.certificates.owner(peer.certificate)
        if device is None:
            raise unauthorized("certificate", "the certificate belongs to no device")
        names = credentials.product_key, credentials.device_name
        if any(names) and names != (device.product_key, device.name):
            raise unauthorized("certificate", "the certificate belongs to another device")
        return device

    async def _with_client_token(self, credentials: Credentials) -> ConnectingDevice:
        if self._identities is None:
            raise unauthorized("auth_type")
        device = await self._identities.find(credentials.product_key, credentials.device_name)
        try:
            token = credentials.password.decode()
        except UnicodeDecodeError:
            token = ""
        if device is None or not await self._identities.client_ids.verify(device, credentials.client_id.cid, token):
            raise unauthorized("token")
        return device

    async def _with_iot_token(self, credentials: Credentials) -> ConnectingDevice:
        # The guide names this code for a pair that does not fit (1.5).
        wrong = RefusedError(ConnackCode.SERVER_UNAVAILABLE, "token")
        if self._identities is None:
            raise unauthorized("auth_type")
        try:
            token = credentials.password.decode("ascii")
            device = await self._identities.tokens.verify(token, "mqtt", IOT_TOKEN_SECONDS)
        except (UnicodeDecodeError, TokenError):
            raise wrong from None
        if device.iot_id != credentials.iot_id:
            raise wrong
        return device

    async def register(self, credentials: Credentials) -> tuple[str, bytes]:
        """Return topic and payload of the answer to a device that wants an identity.

        Raises:
            RefusedError: it gets none.
        """
        if self._identities is None:
            raise unauthorized("auth_type")
        parameters = credentials.client_id.parameters
        names = {"productKey": credentials.product_key, "deviceName": credentials.device_name}
        request = RegistrationRequest(
            credentials.product_key,
            credentials.device_name,
            {**names, "random": parameters["random"]},
            parameters.get("signmethod", "hmacmd5"),
            credentials.password.decode("ascii", "replace"),
        )
        registration = self._identities.self_registration
        try:
            if credentials.way is Way.REGISTER:
                device = await registration.register(request)
                return "/ext/register", msgspec.json.encode({**names, "deviceSecret": device.secret})
            client = await registration.register_client(request)
        except RegistrationRefusedError as error:
            if error.code == Code.PARAMETER_ERROR:
                raise malformed(str(error)) from None
            raise unauthorized("registration", str(error)) from None
        answer = {**names, "clientId": client.client_id, "deviceToken": client.token}
        return "/ext/regnwl", msgspec.json.encode(answer)


def _check(credentials: Credentials, peer: Peer, device: ConnectingDevice, auth_type: str) -> None:
    """Check that the product's devices authenticate in this way, and that TLS has not met somebody else."""
    if auth_type != _AUTH_TYPES.get(credentials.way, "secret"):
        raise unauthorized("auth_type", f"devices of this product authenticate with {auth_type}")
    if peer.psk is not None and peer.psk != (device.product_key, device.name):
        raise unauthorized("psk", "the pre-shared key is another device's")
