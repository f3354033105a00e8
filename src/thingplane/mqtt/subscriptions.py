"""Who subscribed to what: an index from topic names to sessions."""

from typing import TYPE_CHECKING

from thingplane.mqtt.packets import Subscription
from thingplane.mqtt.topics import is_wildcard, split_shared

if TYPE_CHECKING:
    from thingplane.mqtt.session import Session


class SharedGroup:
    """Sessions that share one subscription; each message goes to one of them (MQTT 5.0, 4.8.2)."""

    __slots__ = ("members",)

    def __init__(self) -> None:
        self.members: dict[Session, Subscription] = {}

    def choose(self) -> "tuple[Session, Subscription]":
        """Return the member whose turn it is, preferring those that are connected."""
        chosen = next(iter(self.members))
        for session in self.members:
            if session.link is not None:
                chosen = session
                break
        subscription = self.members.pop(chosen)
        self.members[chosen] = subscription
        return chosen, subscription


class Entry:
    """Subscriptions to one topic filter."""

    __slots__ = ("groups", "sessions")

    def __init__(self) -> None:
        self.sessions: dict[Session, Subscription] = {}
        self.groups: dict[str, SharedGroup] = {}

    def __bool__(self) -> bool:
        return bool(self.sessions or self.groups)


class _Node:
    __slots__ = ("children", "entry")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.entry: Entry | None = None


class SubscriptionIndex:
    """All subscriptions: filters without a wildcard in a dictionary, the others in a tree of levels."""

    def __init__(self) -> None:
        self._exact: dict[str, Entry] = {}
        self._root = _Node()

    def add(self, session: "Session", subscription: Subscription) -> bool:
        """Add or replace a subscription; returns whether the session had one with the same filter."""
        group_name, topic_filter = split_shared(subscription.topic_filter)
        entry = self._entry(topic_filter)
        members = entry.sessions
        if group_name:
            members = entry.groups.setdefault(group_name, SharedGroup()).members
        existed = session in members
        members[session] = subscription
        return existed

    def remove(self, session: "Session", topic_filter: str) -> bool:
        """Remove a subscription; returns whether there was one."""
        group_name, inner = split_shared(topic_filter)
        path = self._path(inner) if is_wildcard(inner) else []
        entry = path[-1].entry if path else self._exact.get(inner)
        if entry is None:
            return False
        if group_name:
            group = entry.groups.get(group_name)
            existed = group is not None and group.members.pop(session, None) is not None
            if group is not None and not group.members:
                del entry.groups[group_name]
        else:
            existed = entry.sessions.pop(session, None) is not None
        if not entry:
            if path:
                self._prune(path, inner.split("/"))
            else:
                del self._exact[inner]
        return existed

    def match(self, topic: str) -> list[Entry]:
        """Return the entries of all filters a topic name matches; none of them is empty."""
        exact = self._exact.get(topic)
        found = [] if exact is None else [exact]
        if not self._root.children:
            return found
        levels = topic.split("/")
        nodes = [self._root]
        skip_wildcards = topic.startswith("$")  # not matched by a wildcard in the first level (4.7.2)
        for level in levels:
            following: list[_Node] = []
            for node in nodes:
                children = node.children
                if not skip_wildcards:
                    if "#" in children:
                        _collect(children["#"], found)
                    if "+" in children:
                        following.append(children["+"])
                if level in children:
                    following.append(children[level])
            skip_wildcards = False
            nodes = following
            if not nodes:
                return found
        for node in nodes:
            _collect(node, found)
            if "#" in node.children:  # "a/#" also matches its parent "a"
                _collect(node.children["#"], found)
        return found

    def _entry(self, topic_filter: str) -> Entry:
        if not is_wildcard(topic_filter):
            return self._exact.setdefault(topic_filter, Entry())
        node = self._root
        for level in topic_filter.split("/"):
            node = node.children.setdefault(level, _Node())
        if node.entry is None:
            node.entry = Entry()
        return node.entry

    def _path(self, topic_filter: str) -> list[_Node]:
        """Return the nodes from the root to a filter, empty when the filter is unknown."""
        path = [self._root]
        for level in topic_filter.split("/"):
            node = path[-1].children.get(level)
            if node is None:
                return []
            path.append(node)
        return path

    @staticmethod
    def _prune(path: list[_Node], levels: list[str]) -> None:
        """Forget the entry at the end of a path and the nodes nobody needs any more."""
        path[-1].entry = None
        for depth in range(len(levels), 0, -1):
            node = path[depth]
            if node.children or node.entry is not None:
                return
            del path[depth - 1].children[levels[depth - 1]]


def _collect(node: _Node, found: list[Entry]) -> None:
    if node.entry is not None:
        found.append(node.entry)
