"""The TLS contexts of the device side: certificates of devices and pre-shared keys beside the server certificate."""

import ssl
from collections.abc import Callable, Sequence
from typing import Literal

import structlog

from thingplane.gateway.psk import PskKeys
from thingplane.gateway.psk_server import PskUnavailableError, use_psk

_log = structlog.get_logger(__name__)


class DeviceTls:
    """Makes contexts, another one whenever the authorities of devices have changed."""

    def __init__(
        self, make: Callable[[], ssl.SSLContext], keys: PskKeys, psk: Literal["auto", "on", "off"] = "auto"
    ) -> None:
        """Prepare.

        Args:
            make: returns a context with the server certificate.
            keys: finds pre-shared keys.
            psk: whether to offer TLS-PSK; auto: if this Python can, which is logged if it can't.

        Raises:
            ValueError: TLS-PSK is wanted but this Python can't do it.
        """
        self._make = make
        self.keys: PskKeys | None = None
        """Set if TLS-PSK is offered."""
        if psk == "off":
            return
        try:
            use_psk(make(), keys.key)
        except PskUnavailableError as error:
            if psk == "on":
                raise ValueError(f"mqtt_psk: {error}") from None
            _log.warning("TLS-PSK is not offered", reason=str(error))
        else:
            self.keys = keys

    def context(self, authorities: Sequence[str]) -> ssl.SSLContext:
        """Return a context.

        Args:
            authorities: certificates (PEM) of the authorities of devices; clients are asked for certificates only if
                there are any.
        """
        context = self._make()
        if authorities:
            context.verify_mode = ssl.CERT_OPTIONAL
            # An authority that somebody else has certified counts by itself.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.load_verify_locations(cadata="\n".join(authorities))
        if self.keys is not None:
            use_psk(context, self.keys.key)
        return context
