"""Hypothesis strategies for well-formed packets."""

from hypothesis import strategies as st

from thingplane.mqtt.packets import (
    Connect,
    Disconnect,
    Packet,
    Ping,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Subscribe,
    Subscription,
    Unsubscribe,
    Will,
)
from thingplane.mqtt.properties import Properties

text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
topic = st.text(st.characters(exclude_characters="\0+#", exclude_categories=["Cs"]), min_size=1, max_size=12)
binary = st.binary(max_size=12)
packet_id = st.integers(1, 0xFFFF)
uint32 = st.integers(0, 0xFFFF_FFFF)
user_properties = st.lists(st.tuples(text, text), max_size=3)


def _properties(**fields: st.SearchStrategy[object]) -> st.SearchStrategy[Properties | None]:
    optional = {name: value for name, value in fields.items() if name != "user_properties"}
    built = st.builds(
        Properties,
        **{name: st.none() | value for name, value in optional.items()},
        user_properties=user_properties,
    )
    # Nothing on the wire tells "no properties" from "an empty list of them".
    return st.none() | built.map(lambda value: None if value == Properties() else value)


_message = {
    "payload_format_indicator": st.integers(0, 1),
    "message_expiry_interval": uint32,
    "content_type": text,
    "response_topic": topic,
    "correlation_data": binary,
}
will_properties = _properties(**_message, will_delay_interval=uint32)
reason_properties = _properties(reason_string=text)
connect_properties = _properties(
    session_expiry_interval=uint32,
    receive_maximum=st.integers(1, 0xFFFF),
    maximum_packet_size=st.integers(1, 0xFFFF_FFFF),
    topic_alias_maximum=st.integers(0, 0xFFFF),
    request_response_information=st.integers(0, 1),
    request_problem_information=st.integers(0, 1),
)


def connect(version: int) -> st.SearchStrategy[Connect]:
    new = version == 5
    will = st.builds(Will, topic, binary, st.integers(0, 2), st.booleans(), will_properties if new else st.none())
    credentials = st.tuples(text, st.none() | binary) | st.just((None, None))

    def build(credentials: tuple[str | None, bytes | None], **fields: object) -> Connect:
        return Connect(version=version, username=credentials[0], password=credentials[1], **fields)  # type: ignore[arg-type]

    return st.builds(
        build,
        credentials,
        client_id=text,
        clean_start=st.booleans(),
        keepalive=st.integers(0, 0xFFFF),
        will=st.none() | will,
        properties=connect_properties if new else st.none(),
    )


def publish(version: int) -> st.SearchStrategy[Publish]:
    def build(qos: int, dup: bool, number: int, **fields: object) -> Publish:
        return Publish(qos=qos, dup=dup and qos > 0, packet_id=number if qos else 0, **fields)  # type: ignore[arg-type]

    return st.builds(
        build,
        st.integers(0, 2),
        st.booleans(),
        packet_id,
        topic=topic,
        payload=st.binary(max_size=300),
        retain=st.booleans(),
        properties=_properties(**_message) if version == 5 else st.none(),
    )


def subscribe(version: int) -> st.SearchStrategy[Subscribe]:
    def build(number: int, items: list[Subscription], identifier: int, pairs: list[tuple[str, str]]) -> Subscribe:
        properties = None
        if version == 5 and (identifier or pairs):
            properties = Properties(subscription_identifiers=[identifier] if identifier else [], user_properties=pairs)
        for item in items:
            item.identifier = identifier if version == 5 else 0
        return Subscribe(number, items, properties)

    options = (
        {"no_local": st.booleans(), "retain_as_published": st.booleans(), "retain_handling": st.integers(0, 2)}
        if version == 5
        else {}
    )
    filters = text.filter(lambda value: not value.startswith("$share/"))
    item = st.builds(Subscription, filters, st.integers(0, 2), **options)
    identifiers = st.just(0) | st.integers(1, 268_435_455)
    return st.builds(build, packet_id, st.lists(item, min_size=1, max_size=4), identifiers, user_properties)


def client_packet(version: int) -> st.SearchStrategy[Packet]:
    """Any packet a connected client may send, DISCONNECT excluded."""
    new = version == 5
    received = st.sampled_from([0, 0x10, 0x80, 0x97]) if new else st.just(0)
    released = st.sampled_from([0, 0x92]) if new else st.just(0)
    properties = reason_properties if new else st.none()
    unsubscribe_properties = _properties(user_properties=user_properties) if new else st.none()
    return st.one_of(
        publish(version),
        subscribe(version),
        st.builds(Unsubscribe, packet_id, st.lists(text, min_size=1, max_size=4), unsubscribe_properties),
        st.builds(Puback, packet_id, received, properties),
        st.builds(Pubrec, packet_id, received, properties),
        st.builds(Pubrel, packet_id, released, properties),
        st.builds(Pubcomp, packet_id, released, properties),
        st.just(Ping()),
    )


def disconnect(version: int) -> st.SearchStrategy[Disconnect]:
    if version != 5:
        return st.just(Disconnect())
    properties = _properties(reason_string=text, session_expiry_interval=uint32)
    return st.builds(Disconnect, st.sampled_from([0, 4, 0x80, 0x8D]), properties)


versions = st.sampled_from([3, 4, 5])
