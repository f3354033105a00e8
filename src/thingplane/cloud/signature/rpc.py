"""RPC signature version 1.0: HMAC-SHA1 over the sorted parameters (guide: signature method)."""

import hmac
from base64 import b64encode

from thingplane.cloud.form import Form


def string_to_sign(method: str, form: Form) -> str:
    """Return what is signed: the method, the path ``/``, and all parameters but Signature, percent-encoded twice."""
    # In the canonical query only these three characters are left to encode.
    query = form.canonical(without="Signature").replace("%", "%25").replace("=", "%3D").replace("&", "%26")
    return f"{method}&%2F&{query}"


def sign(text: str, secret: str) -> str:
    """Return the Base64 signature of a string to sign."""
    return b64encode(hmac.digest(f"{secret}&".encode(), text.encode(), "sha1")).decode("ascii")
