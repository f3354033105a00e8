"""The symmetric mode's cipher, by the worked example of the reference (device-protocol, 10.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thingplane.coap_access.encryption import DecryptionError, Key

EXAMPLE = Key("0123456789abcdef0123456789abcdef", "8fe3c8d50e10")


@pytest.mark.parametrize(
    ("plain", "encrypted"),
    [(b"11", "1f152eed63f331ae570587b47d0f33cd"), (b'{"a":1}', "6de72e116ccfae17254e0d25b1213f83")],
)
def test_the_worked_example(plain: bytes, encrypted: str) -> None:
    assert EXAMPLE.encrypt(plain).hex() == encrypted
    assert EXAMPLE.decrypt(bytes.fromhex(encrypted)) == plain


@given(st.binary(max_size=100))
def test_what_is_encrypted_is_decrypted_again(plain: bytes) -> None:
    assert EXAMPLE.decrypt(EXAMPLE.encrypt(plain)) == plain


@pytest.mark.parametrize("length", [0, 1, 15, 17, 32])
def test_bytes_that_were_not_encrypted_are_refused(length: int) -> None:
    with pytest.raises(DecryptionError):
        EXAMPLE.decrypt(bytes(length))


def test_another_key_does_not_open_it() -> None:
    with pytest.raises(DecryptionError):
        Key("other", "random").decrypt(EXAMPLE.encrypt(b'{"a":1}'))
