"""What can go wrong below CoAP."""


class DtlsError(Exception):
    """A certificate, handshake or record that can't be; a session is over then."""
