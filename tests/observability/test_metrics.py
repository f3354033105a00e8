"""The metrics page: what Prometheus reads."""

import math

from prometheus_client.parser import text_string_to_metric_families

from thingplane.observability.metrics import Metrics


def families(metrics: Metrics) -> dict[str, tuple[str, str, dict[str, float]]]:
    """Return type, help and values by label of the project's own metrics, as a Prometheus server would read them."""
    return {
        family.name: (
            family.type,
            family.documentation,
            {sample.labels.get("reason", ""): sample.value for sample in family.samples},
        )
        for family in text_string_to_metric_families(metrics.text().decode())
        if family.name.startswith("thingplane_")
    }


def test_names_that_end_in_total_are_counters_and_others_gauges() -> None:
    metrics = Metrics()
    metrics.add(lambda: {"posts_total": 3, "connections": 2.5}, {"posts_total": "Posts.", "connections": "Now open."})
    assert families(metrics) == {
        "thingplane_posts": ("counter", "Posts.", {"": 3}),
        "thingplane_connections": ("gauge", "Now open.", {"": 2.5}),
    }
    assert "thingplane_posts_total 3.0" in metrics.text().decode()


def test_text_behind_a_colon_is_the_reason() -> None:
    metrics = Metrics()
    metrics.add(
        lambda: {'refused_total:bad "signature"\n': 1, "refused_total:unknown device": 2}, {"refused_total": "…"}
    )
    assert families(metrics) == {
        "thingplane_refused": ("counter", "…", {'bad "signature"\n': 1, "unknown device": 2}),
    }


def test_sources_are_asked_each_time() -> None:
    metrics, value = Metrics(), {"connections": 1.0}
    metrics.add(lambda: value, {})
    assert families(metrics)["thingplane_connections"][2] == {"": 1}
    value["connections"] = math.inf
    assert families(metrics)["thingplane_connections"][2] == {"": math.inf}


def test_figures_of_the_process_are_there() -> None:
    text = Metrics().text().decode()
    assert "process_resident_memory_bytes" in text
    assert "python_gc_collections_total" in text
