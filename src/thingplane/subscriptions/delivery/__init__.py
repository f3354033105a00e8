"""Delivery to the clients of a consumer group: at once, from the backlog, again until it is acknowledged."""
