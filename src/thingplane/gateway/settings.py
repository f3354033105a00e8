"""Limits of the gateway. Defaults are the documented ones; rate limits are off, since the server is the user's own."""

import msgspec

MAX_PAYLOAD = 262_144
"""Bytes of one message's payload (device-protocol, 1.2)."""


class GatewaySettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator may want to change."""

    plain: bool = True
    """Accept MQTT without TLS; False answers CONNACK 2."""
    connects_per_minute: int = 0
    """Accepted connections of one device in a minute; 0 = unlimited. The vendor allows 5."""
    publishes_per_second: int = 0
    """Publishes of one device in a second; 0 = unlimited. The vendor allows 30, of which 10 with QoS 1."""
    write_buffer: int = 1_048_576
    """Bytes that may wait for a connection before it is closed."""
    offline_seconds: int = 7 * 86_400
    """How long messages of QoS 1 wait for a device, and a session for its device to come back."""
    offline_messages_per_device: int = 1000
    """Messages of QoS 1 that may wait for one device; further ones are refused."""
    offline_bytes_per_device: int = 16_777_216
    """Bytes of the messages of QoS 1 that wait for one device or are on their way to it; further ones are refused."""
    offline_bytes: int = 1_073_741_824
    """Bytes of the messages of QoS 1 in memory for all devices together; further ones are refused."""
    unacknowledged_seconds: float = 30.0
    """Seconds that a device may acknowledge nothing while its queue is full, before its connection is closed."""
    connections: int = 100_000
    """Connections at a time, authenticated or not; further ones are closed."""
    newcomers: int = 10_000
    """Connections at a time that are not let in yet; further ones are closed, or those that take long."""
    connect_timeout: float = 10.0
    """Seconds a connection may take to TLS and to an accepted CONNECT."""
    tick: float = 1.0
    """Seconds between two looks at what has timed out."""
    sub_devices_online: int = 2000
    """Sub-devices that may be logged in over one gateway's connection (device-protocol, 12)."""
    sub_devices_per_login: int = 50
    """Sub-devices of one batch login (device-protocol, 4.4)."""
    sub_device_logins_per_second: int = 0
    """Logins of sub-devices by one gateway in a second; 0 = unlimited. The vendor allows 200."""
    sub_device_logins_per_minute: int = 0
    """Logins of one sub-device in a minute; 0 = unlimited. The vendor allows 5."""
    max_keepalive: int = 1200
    """Seconds (device-protocol, 1.6)."""
    min_keepalive: int = 30
    """Seconds (device-protocol, 1.6)."""
    max_pending: int = 100
    """Messages of one connection under way before nothing more is read from it (device-protocol, 1.2: in-flight)."""
