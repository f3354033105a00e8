"""The devices' side of the platform over MQTT: listeners, authentication, permissions, sessions, downlink.

It puts the platform's rules on top of the general MQTT core (``thingplane.mqtt``) and hands what devices send to the
handlers of the slices (``thingplane.alink``). ``gateway.service.Gateway`` is the whole of it.
"""
