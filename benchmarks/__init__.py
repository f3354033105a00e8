"""Measurements of a whole node, `python -m benchmarks`; modules with a main of their own measure one part of it."""
