"""Two processes find the same thing under one key, or nothing: whatever differs changes the key."""

from dataclasses import fields, replace
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvzero.cache import KEY_BYTES, Namespace, digest_history, digest_rows, namespace
from kvzero.errors import CacheError, ConfigError

NAMESPACE = Namespace(
    kind="result",
    software="s",
    model="m",
    spec="e",
    engine="native",
    device="cpu",
    number_type="float32",
    codec="none",
    search="puct",
    weights=sha256(b"w").digest(),
)
TEXTS = ("software", "model", "spec", "engine", "device", "number_type", "codec", "search")
SEEN = np.arange(12, dtype=np.float32).reshape(3, 4)
ACTIONS = np.array([1, 0])


def key(space: Namespace = NAMESPACE, *, observations=SEEN, actions=ACTIONS, first_token=0, **more) -> bytes:
    seen = digest_rows(observations)
    return space.key(digest_history(first_token=first_token, seen=seen, actions=actions, **more))


def test_a_key_is_the_same_in_every_process():
    assert len(key()) == KEY_BYTES
    assert NAMESPACE.digest.hex() == "868a701052fa2cc2f1bdc7bafb5b2dbc814076fdb7945d6c3d7089a5626936ac"
    assert key().hex() == "77b42d47e5ccdef31ba576b5f9699872dba49fe4bbb8bfb785e1a4a98995c6a5"


def test_every_field_of_a_namespace_changes_its_keys():
    changed = [replace(NAMESPACE, **{name: "other"}) for name in TEXTS]
    changed.append(replace(NAMESPACE, weights=sha256(b"v").digest()))
    changed.append(replace(NAMESPACE, kind="context", search=""))
    assert len({key(space) for space in [NAMESPACE, *changed]}) == len(fields(Namespace)) + 1


@given(st.lists(st.text("abc", max_size=3), min_size=len(TEXTS), max_size=len(TEXTS)), st.permutations(TEXTS))
def test_fields_that_are_swapped_or_run_into_each_other_change_the_keys(values, order):
    searched = {name: value + "x" for name, value in zip(TEXTS, values, strict=True)}
    swapped = {name: searched[other] for name, other in zip(TEXTS, order, strict=True)}
    first, second = replace(NAMESPACE, **searched), replace(NAMESPACE, **swapped)
    assert (first.digest == second.digest) == (searched == swapped)


def test_lengths_are_what_keeps_fields_apart(monkeypatch):
    class NoLength(int):
        def to_bytes(self, *_):
            return b""

    first, second = (replace(NAMESPACE, model=model, spec=spec) for model, spec in [("aspec", "b"), ("a", "specb")])
    assert first.digest != second.digest
    monkeypatch.setattr(namespace, "len", lambda part: NoLength(len(part)), raising=False)
    first, second = replace(first), replace(second)  # without the digests taken above
    assert first.digest == second.digest


def other_histories() -> dict[str, dict[str, object]]:
    bits = SEEN.copy()
    bits[0, 0] = -0.0
    return {
        "index": {"first_token": 2},
        "bit": {"observations": bits},
        "order": {"observations": SEEN[[1, 0, 2]]},
        "type": {"observations": SEEN.view(np.int32)},
        "shape": {"observations": SEEN.reshape(3, 2, 2)},
        "shorter": {"observations": SEEN[1:], "actions": ACTIONS[1:]},
        "action": {"actions": np.array([1, 1])},
        "action type": {"actions": ACTIONS.astype(np.int32)},
        "action vectors": {"actions": ACTIONS[:, None]},
        "legal": {"legal": np.array([True, False])},
        "others legal": {"legal": np.array([False, True])},
    }


def test_whatever_differs_between_two_histories_changes_the_key():
    keys = {name: key(**history) for name, history in other_histories().items()} | {"": key()}
    assert len(set(keys.values())) == len(keys)


def test_memory_order_does_not_change_a_key():
    assert key(observations=np.asfortranarray(SEEN)) == key()


@pytest.mark.parametrize("history", [{"actions": ACTIONS[1:]}, {"first_token": -1}], ids=["actions", "index"])
def test_what_is_no_history_is_refused(history):
    with pytest.raises(CacheError, match="give an action between each two observations, and an index of 0 or more"):
        key(**history)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"weights": b"short"}, "weights is b'short'; give the 32 of a SHA-256"),
        ({"search": ""}, "search is ''; say what searched"),
        ({"kind": "context"}, "search is 'puct'; a context depends on no search, so leave it empty"),
    ],
)
def test_what_is_no_namespace_is_refused(change, says):
    with pytest.raises(ConfigError, match=says):
        replace(NAMESPACE, **change)
