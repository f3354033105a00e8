"""Texts that people and clients write: SQL of rules and of searches, thing models, and what clients say they are."""

from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.mutation import changed, lines
from tests.rules.sql.test_any_text import check
from thingplane.cloud.errors import BusinessError
from thingplane.files.ranges import UnsatisfiableRangeError, read_range
from thingplane.gateway.authentication import RefusedError, read_credentials
from thingplane.gateway.psk import _BYTES, parse_identity
from thingplane.ota.policy import Policy, PolicyError, PolicySigner
from thingplane.rules.topics import read_topic
from thingplane.search.parsing import SearchLimits, parse
from thingplane.subscriptions import credentials as consumers
from thingplane.subscriptions.signing_in import SignInRefused
from thingplane.things.model.failures import ModelError
from thingplane.things.model.thing_model_json import parse_thing_model_json, render_thing_model_json
from thingplane.things.model.tsl import parse_tsl, render_tsl

RULES: Final = [tuple(line.split("\t")) for line in lines("rules.txt")]
SEARCHES: Final = [line.encode() for line in lines("searches.txt")]
MODELS: Final = [line.encode() for line in lines("models.txt")]
IDENTITIES: Final = [line.partition("\t")[::2] for line in lines("identities.txt")]


def texts(seeds: list[bytes]) -> st.SearchStrategy[str]:
    return changed(seeds).map(lambda data: data.decode("utf-8", "replace"))


@settings(max_examples=200)
@given(texts([part.encode() for pair in RULES for part in pair]), texts([where.encode() for _, where in RULES]))
def test_sql_of_rules(select: str, where: str) -> None:
    check(select, where)


def test_sql_of_the_corpus_as_it_is() -> None:
    for select, where in RULES:
        check(select, where)


@settings(max_examples=300)
@given(texts(SEARCHES))
def test_searches(sql: str) -> None:
    try:
        statement = parse(sql, SearchLimits())
    except BusinessError:
        return
    assert statement.limit >= 0
    assert statement.offset >= 0


@settings(max_examples=250)
@given(texts(MODELS))
def test_thing_models(text: str) -> None:
    """What is accepted can be written again and means the same."""
    try:
        model = parse_thing_model_json(text)
    except ModelError:
        pass
    else:
        assert parse_thing_model_json(render_thing_model_json(model, "a1")) == model
    try:
        model = parse_tsl(text)
    except ModelError:
        return
    assert parse_tsl(render_tsl(model, "a1"), model.block) == model


def test_the_thing_models_of_the_corpus_as_they_are() -> None:
    for line in MODELS:
        text = line.decode()
        model = parse_tsl(text) if "schema" in text else parse_thing_model_json(text)
        assert model.properties or model.events


@settings(max_examples=300)
@given(st.sampled_from(IDENTITIES), st.data(), st.booleans(), st.booleans())
def test_identities(seed: tuple[str, str], data: st.DataObject, secure: bool, certified: bool) -> None:
    kind, _ = seed
    text = data.draw(texts([other.encode() for same, other in IDENTITIES if same == kind]))
    if kind == "client":
        user = data.draw(texts([b"lamp-1&a1ExampleK1", b"&", b"a1ExampleK1&lamp-1"]))
        try:
            found = read_credentials(text, user, data.draw(st.binary(max_size=70)), secure=secure, certified=certified)
        except RefusedError:
            return
        assert len(found.client_id.cid) <= 64
        assert f"{found.device_name}&{found.product_key}" in {user, "&"}
    elif kind == "psk":
        identity = parse_identity(text)
        if identity is not None:
            assert _BYTES.search(b"\x00\x10" + text.encode() + b"\x00") is not None
            assert not set(identity.device_name) & set("/+#\0& ")
    else:
        try:
            user_name = consumers.parse(text)
        except SignInRefused:
            return
        assert user_name.client_id.isprintable()
        assert user_name.group_id


@settings(max_examples=150)
@given(
    texts([b"bytes=0-9", b"bytes=-5", b"bytes=3-", b"bytes=0-1,3-4", b"bytes= 1 - 2", b"lines=1"]), st.integers(0, 20)
)
def test_ranges(header: str, size: int) -> None:
    try:
        wanted = read_range(header, size)
    except UnsatisfiableRangeError:
        return
    assert wanted is None or 0 <= wanted[0] < wanted[1] <= size


@settings(max_examples=150)
@given(st.data())
def test_policies_of_uploads(data: st.DataObject) -> None:
    """Nobody but the platform signs one."""
    signer = PolicySigner("secret")
    policy, signature = signer.make(Policy("ota/x.bin", 100, 1_700_000_000_000))
    form = {"policy": policy, "signature": signature, "ossaccesskeyid": signer.access_key_id, "key": "ota/x.bin"}
    assert signer.check(form, 0).most == 100
    name = data.draw(st.sampled_from(sorted(form)))
    given_form = {**form, name: data.draw(texts([form[name].encode()]))}
    if given_form != form:
        with pytest.raises(PolicyError):
            signer.check(given_form, 0)


@settings(max_examples=150)
@given(
    texts([b"/a1/lamp/user/update", b"/sys/a1/+/thing/event/property/post", b"/as/mqtt/status/a1/+", b"/a1/+/user/#"])
)
def test_topics_of_rules(topic: str) -> None:
    try:
        key, short, kind = read_topic(topic)
    except BusinessError:
        return
    assert key
    assert short
    assert kind in {0, 1, 2}


@pytest.mark.parametrize("kind", ["client", "psk", "consumer"])
def test_the_corpus_has_each_kind(kind: str) -> None:
    assert any(same == kind for same, _ in IDENTITIES)
