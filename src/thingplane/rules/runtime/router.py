"""Which running rules a message is due to, by its topic."""

from collections.abc import Iterable, Sequence

from thingplane.forwarding.message import Kind


class _Node:
    __slots__ = ("children", "rest", "subscribers")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.subscribers: list[int] = []
        """Rules whose filter ends here."""
        self.rest: list[int] = []
        """Rules whose filter ends with ``#`` below this."""


class RuleRouter:
    """A tree of topic levels for every product: finding the rules of a topic takes no look at the others."""

    def __init__(self) -> None:
        """Start without rules."""
        self._roots: dict[int, _Node] = {}
        self._filters: dict[int, tuple[int, str]] = {}

    def set(self, subscriber: int, product_id: int, filter_: str) -> None:
        """Let messages of a product whose topic fits be due to a subscriber, and no others."""
        self.remove(subscriber)
        self._filters[subscriber] = product_id, filter_
        node = self._roots.setdefault(product_id, _Node())
        for level in filter_.split("/"):
            if level == "#":
                node.rest.append(subscriber)
                return
            node = node.children.setdefault(level, _Node())
        node.subscribers.append(subscriber)

    def remove(self, subscriber: int) -> None:
        """Let nothing be due to a subscriber."""
        known = self._filters.pop(subscriber, None)
        if known is None:
            return
        product_id, filter_ = known
        levels = filter_.split("/")
        _remove(self._roots[product_id], levels, subscriber)
        if _is_empty(self._roots[product_id]):
            del self._roots[product_id]

    def subscribers(self, kind: Kind, product_id: int, topic: str) -> Iterable[int]:
        """Return the rules that a message is due to; see ``forwarding.service.Router``."""
        root = self._roots.get(product_id)
        if root is None or kind is Kind.RULE:
            return ()
        found: list[int] = []
        _collect(root, topic.split("/"), 0, found)
        return found


def _collect(node: _Node, levels: Sequence[str], index: int, found: list[int]) -> None:
    if index == len(levels):
        found += node.subscribers
        return
    found += node.rest
    children = node.children
    if not children:
        return
    child = children.get(levels[index])
    if child is not None:
        _collect(child, levels, index + 1, found)
    child = children.get("+")
    if child is not None:
        _collect(child, levels, index + 1, found)


def _remove(node: _Node, levels: Sequence[str], subscriber: int) -> None:
    """Take a filter out of the tree, and the nodes that nothing is left of."""
    if not levels:
        node.subscribers.remove(subscriber)
        return
    level, *others = levels
    if level == "#":
        node.rest.remove(subscriber)
        return
    child = node.children[level]
    _remove(child, others, subscriber)
    if _is_empty(child):
        del node.children[level]


def _is_empty(node: _Node) -> bool:
    return not node.children and not node.subscribers and not node.rest
