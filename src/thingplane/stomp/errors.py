"""The exception by which parts of the core tell each other what a client did wrong; it does not leave the core."""


class StompError(Exception):
    """The client broke the protocol: it gets an ERROR frame with this text and the connection ends."""
