"""What the topic categories of a product permit its devices."""

from collections.abc import Iterable


class TopicPermissions:
    """Permissions on custom topics, where a topic is what follows ``/{productKey}/{deviceName}/``.

    Publishing needs a category with exactly the topic's name. Subscribing needs categories that together match every
    topic that the filter matches.
    """

    __slots__ = ("_patterns", "_publish", "_subscribe")

    def __init__(self, publish: Iterable[str], subscribe: Iterable[str]) -> None:
        """Compile.

        Args:
            publish: topics that may be published to.
            subscribe: topics and filters (MQTT wildcards) that may be subscribed to.
        """
        self._publish = frozenset(publish)
        self._subscribe = frozenset(subscribe)
        self._patterns = [tuple(name.split("/")) for name in sorted(self._subscribe)]

    def may_publish(self, rest: str) -> bool:
        """Tell whether a device may publish to this topic of its own."""
        return rest in self._publish

    def may_subscribe(self, rest: str) -> bool:
        """Tell whether a device may subscribe to this topic or filter below its own prefix."""
        if rest in self._subscribe:
            return True
        levels = rest.split("/")
        if levels[-1] != "#":
            return self._covered(levels)
        # "#" stands for any number of levels, none included. Whatever covers one level more than the deepest category
        # has ends with "#" itself and so covers every greater number.
        stem = levels[:-1]
        deepest = max((len(pattern) for pattern in self._patterns), default=0)
        counts = range(max(deepest + 1 - len(stem), 0) + 1)
        return all(self._covered([*stem, *["+"] * count]) for count in counts)

    def _covered(self, levels: list[str]) -> bool:
        # A "+" matches names that no category spells out, so one category alone has to cover the whole filter.
        return any(_covers(pattern, levels) for pattern in self._patterns)


def _covers(pattern: tuple[str, ...], levels: list[str]) -> bool:
    """Tell whether a filter matches everything that another one, without ``#``, matches."""
    for index, level in enumerate(pattern):
        if level == "#":
            return True
        if index == len(levels) or level not in ("+", levels[index]):
            return False
    return len(pattern) == len(levels)
