"""Desired values of properties: what applications want, kept with versions until the device or they clear it."""
