"""What the MQTT core costs for one inbound QoS 1 message, without sockets.

Run: `.venv/bin/python -m benchmarks.mqtt_core`. Prints µs per message (best of twenty runs) for a policy that
acknowledges at once, and for one that also answers with a QoS 0 message; packets arriving one by one and ten at a time.
"""

import time

from thingplane.mqtt import AllowAllPolicy, Broker, Link
from thingplane.mqtt.codec.encode import encode
from thingplane.mqtt.packets import Connect, Publish

TOPIC = "/sys/a1ExampleK1/sensor-01/thing/event/property/post"
REPLY = b'{"code":200,"data":{},"id":"1","version":"1.0"}'
MESSAGES = 1_000


class Acknowledge(AllowAllPolicy):
    """Acknowledges and forgets."""

    def publish(self, link: Link, packet: Publish) -> None:
        link.acknowledge(packet)


class Reply(AllowAllPolicy):
    """Acknowledges and answers."""

    def publish(self, link: Link, packet: Publish) -> None:
        link.acknowledge(packet)
        link.publish(f"{packet.topic}_reply", REPLY)


def measure(policy: AllowAllPolicy, version: int, at_a_time: int) -> float:
    link = Broker(policy, 0.0).open()
    link.receive_data(encode(Connect("c", version), version))
    packets = [encode(Publish(TOPIC, bytes(204), 1, packet_id=number + 1), version) for number in range(MESSAGES)]
    reads = [b"".join(packets[start : start + at_a_time]) for start in range(0, MESSAGES, at_a_time)]
    best = float("inf")
    for _ in range(20):
        start = time.perf_counter()
        for data in reads:
            link.receive_data(data)
            link.data_to_send()
        best = min(best, time.perf_counter() - start)
    return best / MESSAGES * 1e6


if __name__ == "__main__":
    for version in (4, 5):
        for policy in (Acknowledge(), Reply()):
            figures = [measure(policy, version, at_a_time) for at_a_time in (1, 10)]
            name = type(policy).__name__.lower()
            print(f"level {version}, {name:12} {figures[0]:5.2f} µs one by one, {figures[1]:5.2f} µs ten at a time")
