"""Devices: their identity and secret, their life from registration to deletion, and whether they are online."""
