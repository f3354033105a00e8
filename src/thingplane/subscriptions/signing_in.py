"""What a client that signs in gets, and why it is refused."""

import msgspec


class SignInRefused(Exception):  # noqa: N818 - it is the answer to a request, not a fault
    """User name or password are not good; the text says why, for the log. Clients only learn that they are refused."""


class GroupFull(Exception):  # noqa: N818 - see above
    """The group has as many clients as it may have."""


class TooManyConnects(Exception):  # noqa: N818 - see above
    """Clients of the group connected too often within a minute."""


class GroupRef(msgspec.Struct, frozen=True):
    """A consumer group that existed at sign-in."""

    id: int
    """Key in the database."""
    instance_id: int
    group_id: str
    """As in the API: ``DEFAULT_GROUP`` or letters and digits."""


class Login(msgspec.Struct, frozen=True):
    """A client that has signed in and may join its group."""

    client_id: str
    group: GroupRef
    access_key_id: str
    base64: bool
    """The client wants message bodies as Base64 text (userName with ``encode=base64``)."""
