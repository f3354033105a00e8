"""Retained messages: the last message of each topic whose publisher asked to keep it (MQTT 5.0, 3.3.1.3)."""

from thingplane.mqtt.message import Message
from thingplane.mqtt.topics import is_wildcard


class _Node:
    __slots__ = ("children", "message")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.message: Message | None = None


class RetainedMessages:
    """Retained messages in a tree of topic levels, at most `maximum`."""

    def __init__(self, maximum: int) -> None:
        self._root = _Node()
        self._maximum = maximum
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def store(self, message: Message) -> bool:
        """Keep a message instead of the one its topic had; an empty payload only removes.

        Returns:
            False when there is no room for one more topic; nothing changes then.
        """
        if not message.payload:
            self._remove(message.topic)
            return True
        path = self._find(message.topic)
        if (path is None or path[-1].message is None) and self._count >= self._maximum:
            return False
        node = self._root
        for level in message.topic.split("/"):
            node = node.children.setdefault(level, _Node())
        self._count += node.message is None
        node.message = message
        return True

    def match(self, topic_filter: str, now: float) -> list[Message]:
        """Return the messages a filter (not shared) matches; expired ones are removed. `now` in s."""
        if is_wildcard(topic_filter):
            nodes = self._wild(topic_filter.split("/"))
        else:
            path = self._find(topic_filter)
            nodes = path[-1:] if path else []
        found = [node.message for node in nodes if node.message is not None]
        fresh: list[Message] = []
        for message in found:
            if message.expires_at is not None and message.expires_at <= now:
                self._remove(message.topic)
            else:
                fresh.append(message)
        return fresh

    def _wild(self, levels: list[str]) -> list[_Node]:
        nodes = [self._root]
        for depth, level in enumerate(levels):
            if level == "#":
                return _subtree(nodes, skip_dollar=depth == 0)
            following: list[_Node] = []
            for node in nodes:
                if level == "+":
                    names = node.children.items()
                    following += (child for name, child in names if depth or not name.startswith("$"))
                elif level in node.children:
                    following.append(node.children[level])
            nodes = following
        return nodes

    def _find(self, topic: str) -> list[_Node] | None:
        path = [self._root]
        for level in topic.split("/"):
            node = path[-1].children.get(level)
            if node is None:
                return None
            path.append(node)
        return path

    def _remove(self, topic: str) -> None:
        path = self._find(topic)
        if path is None or path[-1].message is None:
            return
        path[-1].message = None
        self._count -= 1
        levels = topic.split("/")
        for depth in range(len(levels), 0, -1):
            if path[depth].children or path[depth].message is not None:
                return
            del path[depth - 1].children[levels[depth - 1]]


def _subtree(nodes: list[_Node], *, skip_dollar: bool) -> list[_Node]:
    """Return these nodes and everything below them."""
    found = list(nodes)
    position = 0
    while position < len(found):
        for name, child in found[position].children.items():
            if not (skip_dollar and position == 0 and name.startswith("$")):
                found.append(child)
        position += 1
    return found
