"""Where results of rules go: devices, consumer groups, and what settings put in the place of the vendor's services.

One module per kind of target. A destination takes records one by one and raises ``DestinationError`` for those that it
could not deliver; retries and error records are the runtime's.
"""
