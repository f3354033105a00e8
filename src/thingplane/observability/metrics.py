"""Prometheus metrics, read from plain counters when they are asked for: counting costs the hot path an addition."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Reading = Mapping[str, float]
"""Values by name; a name may carry one label behind a colon: the value of ``reason`` (``mqtt_refused:signature``), or
another label with its value (``consumer_backlog:group=DEFAULT_GROUP``)."""


class Metrics:
    """The node's metrics. Sources are functions that return current values by name."""

    def __init__(self) -> None:
        self._sources: list[tuple[Callable[[], Reading], Mapping[str, str]]] = []
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self._registry.register(self)

    def add(self, source: Callable[[], Reading], help_texts: Mapping[str, str]) -> None:
        """Add a source.

        Args:
            source: returns values by name, in base units.
            help_texts: one sentence for each name. A name that ends in ``_total`` is a counter, any other a gauge.
        """
        self._sources.append((source, help_texts))

    def collect(self) -> Iterable[Metric]:
        """Give Prometheus what the sources say now."""
        for source, help_texts in self._sources:
            families: dict[str, Metric] = {}
            for key, value in source().items():
                name, _, label = key.partition(":")
                kind, _, text = label.rpartition("=")
                family = families.get(name)
                if family is None:
                    labels = [kind or "reason"] if label else None
                    family = families[name] = _family(name, help_texts.get(name, name), labels)
                family.add_metric([text] if label else [], value)  # type: ignore[attr-defined]
            yield from families.values()

    def text(self) -> bytes:
        """Return everything in the Prometheus text format."""
        return generate_latest(self._registry)


def _family(name: str, text: str, labels: list[str] | None) -> Metric:
    full = f"thingplane_{name}"
    if name.endswith("_total"):
        return CounterMetricFamily(full.removesuffix("_total"), text, labels=labels)
    return GaugeMetricFamily(full, text, labels=labels)
