"""Thingplane: a self-hosted IoT device platform, wire-compatible with Alibaba Cloud IoT Platform."""

__version__ = "0.1.0"
