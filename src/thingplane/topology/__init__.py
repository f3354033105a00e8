"""Topology: which sub-devices reach the platform through which gateway."""
