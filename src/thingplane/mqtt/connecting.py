"""What a broker decides about a CONNECT before and after the policy: identifiers, wills, CONNACK properties."""

from collections.abc import Callable
from dataclasses import fields

from thingplane.mqtt.capabilities import Capabilities
from thingplane.mqtt.errors import ProtocolError
from thingplane.mqtt.numbers import MQTT_3_1, MQTT_3_1_1, MQTT_5, ReasonCode
from thingplane.mqtt.packets import Connect
from thingplane.mqtt.properties import Properties
from thingplane.mqtt.topics import is_too_long


def check_connect(packet: Connect, capabilities: Capabilities) -> None:
    """Refuse what the capabilities exclude.

    Raises:
        ProtocolError: its reason belongs into CONNACK.
    """
    if packet.version not in capabilities.versions:
        raise ProtocolError("protocol level switched off", ReasonCode.UNSUPPORTED_PROTOCOL_VERSION)
    if packet.properties is not None and packet.properties.authentication_method is not None:
        raise ProtocolError("extended authentication is not supported", ReasonCode.BAD_AUTHENTICATION_METHOD)
    if len(packet.client_id.encode()) > capabilities.max_client_id_length:
        raise ProtocolError("the client identifier is too long", ReasonCode.CLIENT_IDENTIFIER_NOT_VALID)
    if not packet.client_id and (
        not capabilities.empty_client_id
        or packet.version == MQTT_3_1
        or (packet.version == MQTT_3_1_1 and not packet.clean_start)
    ):
        raise ProtocolError("a client identifier is needed", ReasonCode.CLIENT_IDENTIFIER_NOT_VALID)
    will = packet.will
    if will is None or capabilities.wills == "ignored":
        packet.will = None
        return
    if is_too_long(will.topic, capabilities):
        raise ProtocolError("the will topic is too long", ReasonCode.TOPIC_NAME_INVALID)
    if will.qos > capabilities.max_qos:
        raise ProtocolError("QoS of the will", ReasonCode.QOS_NOT_SUPPORTED)
    if will.retain and capabilities.retain == "refused":
        raise ProtocolError("retained will", ReasonCode.RETAIN_NOT_SUPPORTED)
    will.retain = will.retain and capabilities.retain == "supported"


def requested_expiry(packet: Connect, capabilities: Capabilities) -> int:
    """Return the seconds the session outlives the connection: what the client asks for, as far as allowed."""
    if packet.version == MQTT_5:
        asked = packet.properties.session_expiry_interval if packet.properties is not None else None
        return min(asked or 0, capabilities.max_session_expiry)
    return 0 if packet.clean_start else capabilities.session_expiry_3x


def server_keepalive(packet: Connect, capabilities: Capabilities) -> int:
    """Return the keep alive to use, s: the client's, or the limit for MQTT 5 clients, which can be told."""
    limit = capabilities.max_keepalive
    if packet.version == MQTT_5 and limit and not 0 < packet.keepalive <= limit:
        return limit
    return packet.keepalive


def connack_properties(
    packet: Connect,
    capabilities: Capabilities,
    *,
    expiry: int,
    keepalive: int,
    client_id: str,
    extra: Properties | None,
) -> Properties | None:
    """Return the CONNACK properties for an MQTT 5 client, None for 3.x.

    Args:
        packet: what the client asked for.
        capabilities: of the server.
        expiry: session expiry interval in force, s.
        keepalive: keep alive in force, s.
        client_id: identifier in force.
        extra: set fields win.
    """
    if packet.version != MQTT_5:
        return None
    asked = packet.properties or Properties()
    properties = Properties(
        receive_maximum=capabilities.receive_maximum,
        maximum_packet_size=capabilities.max_packet_size,
        topic_alias_maximum=capabilities.topic_alias_maximum,
    )
    if expiry != (asked.session_expiry_interval or 0):
        properties.session_expiry_interval = expiry
    if keepalive != packet.keepalive:
        properties.server_keep_alive = keepalive
    if client_id != packet.client_id:
        properties.assigned_client_identifier = client_id
    if capabilities.max_qos < 2:
        properties.maximum_qos = capabilities.max_qos
    if capabilities.retain == "refused":
        properties.retain_available = 0
    if not capabilities.wildcard_subscriptions:
        properties.wildcard_subscription_available = 0
    if not capabilities.subscription_identifiers:
        properties.subscription_identifier_available = 0
    if not capabilities.shared_subscriptions:
        properties.shared_subscription_available = 0
    if extra is not None:
        for item in fields(extra):
            value = getattr(extra, item.name)
            if value is not None and value != []:
                setattr(properties, item.name, value)
    return properties


def effective_client_id(packet: Connect, given: str | None, new_client_id: Callable[[], str]) -> str:
    """Return the identifier to use: given by the policy, the client's own, or a new one."""
    return given or packet.client_id or new_client_id()
