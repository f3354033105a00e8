"""Encoding and decoding of MQTT packets."""
