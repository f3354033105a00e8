"""Logs of devices: what they post themselves, how good their network is, and what went wrong with their messages."""
