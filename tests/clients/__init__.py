"""Clients of other ecosystems that tests run."""
