"""HTTPS for devices: authentication, registration, endpoint discovery, and messages without a connection that stays.

Rules: device-protocol reference, 2.2, 2.6, 2.7 and 10.1. What devices publish takes the way of all messages, by
``gateway.entrance``.
"""
