"""What the vendor's sample clients send, frame by frame, as far as it is out of the ordinary."""

import pytest

from tests.amqp.wire import (
    Client,
    D,
    Sent,
    attach,
    begin,
    closing,
    detach,
    disposition,
    ending,
    flow,
    opening,
    sasl_init,
)
from thingplane.amqp import Settled
from thingplane.amqp.codec.encode import (
    FALSE,
    NULL,
    TRUE,
    composite,
    described,
    mapping,
    sequence,
    string,
    symbol,
    symbols,
    ubyte,
    uint,
    ushort,
)
from thingplane.amqp.codec.outbound import frame
from thingplane.amqp.numbers import AMQP_HEADER, SASL_HEADER

OUTCOMES = symbols(["amqp:accepted:list", "amqp:rejected:list", "amqp:released:list", "amqp:modified:list"])


def start(client: Client, *frames: bytes) -> list[Sent]:
    client.send(SASL_HEADER)
    client.send(sasl_init())
    client.send(AMQP_HEADER)
    return client.send(*frames)


def deliver(client: Client, message: bytes = b"message") -> list[Sent]:
    client.link.send(message, "context")
    return client.output()


def test_qpid_jms_attaches_on_its_second_session_and_drains() -> None:
    capabilities = symbols(["sole-connection-for-container", "DELAYED_DELIVERY", "ANONYMOUS-RELAY", "SHARED-SUBS"])
    properties = mapping([symbol("product"), string("QpidJMS"), symbol("version"), string("0.57.0")])
    fields = [string("ID:1"), string("localhost"), NULL, ushort(32767), uint(40_000), NULL, NULL, NULL, capabilities]
    client = Client()
    sent = start(client, frame(0, composite(D.OPEN, [*fields, properties])))
    assert sent[0].field(7) is None  # offers nothing
    maximum = 0x7FFF_FFFF
    jms_begin = composite(D.BEGIN, [NULL, uint(1), uint(maximum), uint(maximum), uint(65535)])
    client.send(frame(0, jms_begin))
    client.send(frame(1, jms_begin))
    modified = described(D.MODIFIED, sequence([TRUE, FALSE]))
    source = composite(
        D.SOURCE,
        [string("default"), uint(0), NULL, uint(0), FALSE, NULL, NULL, NULL, modified, OUTCOMES, symbols(["queue"])],
    )
    (answer,) = client.send(attach(0, 1, name="qpid-jms:receiver", modes=(ubyte(0), ubyte(0)), source=source))
    assert answer.fields[3:5] == [0, 0]
    assert answer.fields[5].value[10] == ["queue"]
    client.send(flow(1000, channel=1, seen=0, window=maximum))
    assert deliver(client)[0].channel == 1
    client.send(frame(1, composite(D.DISPOSITION, [TRUE, uint(0), uint(0), TRUE, described(D.ACCEPTED, sequence([]))])))
    assert isinstance(client.events[-1], Settled)
    client.send(flow(999, channel=1, seen=1, window=maximum, count=1, drain=True))
    client.link.drained()
    (drained,) = client.output()
    assert (drained.channel, drained.fields[5:7]) == (1, [1000, 0])
    client.send(frame(1, composite(D.DETACH, [uint(0), TRUE])), ending(1), ending(0), closing())
    assert client.is_closed()


def test_amqpnetlite_takes_small_frames_and_names_no_source() -> None:
    client = Client()
    start(client, opening("client.1.2", max_frame_size=8192, idle=60_000, host="contoso.com"))
    # Its begin announces windows of 2048, its attach an address that is null.
    client.send(begin(), attach(name="queueName", source=composite(D.SOURCE, [NULL]), target=composite(D.TARGET, [])))
    client.send(flow(20))
    sent = deliver(client, bytes(200_000))
    assert max(frame.size for frame in sent) == 8192
    assert b"".join(frame.payload for frame in sent) == bytes(200_000)
    client.send(disposition(0))
    assert isinstance(client.events[-1], Settled)


@pytest.mark.parametrize("source", [NULL, composite(D.SOURCE, [])], ids=["no source", "an empty source"])
def test_proton_and_rhea_attach_without_a_source(source: bytes) -> None:
    client = Client()
    sent = start(client, opening(idle=30_000), begin(), attach(source=source, target=NULL), flow(10))
    assert sent[-1].fields[5].value == ["default"]
    assert client.link.capacity() == 10
    deliver(client)
    # One message more for each that came, before it is settled.
    client.send(flow(10, seen=1, count=1))
    assert client.link.capacity() == 10


def test_pack_ag_amqp_names_a_queue_and_settles_one_by_one() -> None:
    client = Client()
    start(client, opening(idle=60_000), begin())
    source = composite(D.SOURCE, [string("/queue-name")])
    (answer,) = client.send(attach(source=source, modes=(NULL, NULL)))
    assert answer.fields[5].value == ["/queue-name"]
    client.send(flow(20))
    deliver(client)
    client.send(disposition(0, 0))
    assert isinstance(client.events[-1], Settled)
    assert [sent.name for sent in client.send(detach(), ending(), closing())] == ["detach", "end", "close"]
