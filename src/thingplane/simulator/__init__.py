"""Simulated devices: a small MQTT client, values that walk randomly, fleets that post at a rate."""
