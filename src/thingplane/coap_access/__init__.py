"""CoAP for devices: UDP with the platform's own symmetric encryption, and DTLS.

Rules: device-protocol reference, 1.11, 2.5 and 10.2. The message layer is ``thingplane.coap``; what devices publish
takes the way of all messages, by ``gateway.entrance``.
"""
