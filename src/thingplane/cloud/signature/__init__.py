"""Signatures of calls: who sent this, unchanged, and only once.

Two schemes are accepted: ``rpc`` (HMAC-SHA1 over the parameters, signature version 1.0) and ``acs3`` (HMAC-SHA256 over
the whole request, in headers, the default of the official SDK since its 5.x releases).
"""

from thingplane.cloud.signature.authenticator import Authenticator, SignedCall

__all__ = ["Authenticator", "SignedCall"]
