"""What it costs to check a property report against a compiled thing model.

Run: `.venv/bin/python -m benchmarks.thing_model_check`. Prints µs per report and per property (best of five runs).
"""

import timeit

from thingplane.things.model.checks import CheckLevel
from thingplane.things.model.compiled import CompiledModel
from thingplane.things.model.tsl import parse_tsl

NOW = 1_800_000_000_000
TSL = """{"properties":[
 {"identifier":"count","name":"count","accessMode":"rw","dataType":{"type":"int","specs":{"min":"0","max":"9"}}},
 {"identifier":"temp","name":"temp","accessMode":"r","dataType":{"type":"float","specs":{"min":"-40","max":"85"}}},
 {"identifier":"label","name":"label","accessMode":"rw","dataType":{"type":"text","specs":{"length":"8"}}},
 {"identifier":"color","name":"color","accessMode":"rw","dataType":{"type":"struct","specs":[
   {"identifier":"red","name":"red","dataType":{"type":"int","specs":{"min":"0","max":"255"}}},
   {"identifier":"on","name":"on","dataType":{"type":"bool","specs":{"0":"off","1":"on"}}}]}}]}"""
POSTS: dict[str, dict[str, object]] = {
    "3 bare values": {"count": 3, "temp": 1.5, "label": "abc"},
    "3 value/time pairs": {
        "count": {"value": 3, "time": NOW},
        "temp": {"value": 1.5, "time": NOW},
        "label": {"value": "abc", "time": NOW},
    },
    "1 struct of 2": {"color": {"red": 1, "on": 1}},
    "3 values, 1 wrong": {"count": "x", "temp": 1.5, "label": "abc"},
}
ROUNDS = 50_000

if __name__ == "__main__":
    model = parse_tsl(TSL)
    for level in (CheckLevel.STRONG, CheckLevel.WEAK):
        check = CompiledModel([model], level).properties.check_post
        for title, post in POSTS.items():
            best = min(timeit.repeat(lambda: check(post, NOW), number=ROUNDS, repeat=5)) / ROUNDS * 1e6  # noqa: B023 - called at once
            print(f"{level.name.lower():6} {title:20} {best:6.3f} µs a report {best / len(post):6.3f} µs a property")
