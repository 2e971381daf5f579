"""JSON policies compare by what they allow, not by how they are written."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.aws_provider.sources import id_part, policy_found, policy_meaning, policy_sent

STATEMENT = {"Effect": "Allow", "Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "*"}
POLICY = {"Version": "2012-10-17", "Statement": [STATEMENT]}


def view(**fields: Any) -> Any:
    return SimpleNamespace(**({"inputs": {}, "outputs": {}, "id": ""} | fields))


def call(source: Any, seen: Any) -> Any:
    assert callable(source)
    return source(seen)


@pytest.mark.parametrize(
    "other",
    [
        json.dumps(POLICY, indent=4),
        {"Statement": STATEMENT, "Version": "2012-10-17"},
        {**POLICY, "Statement": [{**STATEMENT, "Action": ["s3:ListBucket", "s3:GetObject"], "Resource": ["*"]}]},
    ],
    ids=["spacing", "one statement without a list", "order and single values"],
)
def test_takes_the_same_policy_in_another_writing_as_equal(other: Any) -> None:
    assert policy_meaning(other) == policy_meaning(POLICY)


@pytest.mark.parametrize(
    "other",
    [
        {**POLICY, "Version": "2008-10-17"},
        {**POLICY, "Statement": [{**STATEMENT, "Effect": "Deny"}]},
        {**POLICY, "Statement": [{**STATEMENT, "Action": "s3:GetObject"}]},
        {**POLICY, "Statement": [STATEMENT, {**STATEMENT, "Resource": "arn:aws:s3:::b"}]},
        "not a policy",
    ],
)
def test_sees_a_real_difference(other: Any) -> None:
    assert policy_meaning(other) != policy_meaning(POLICY)


@given(
    st.recursive(
        st.text(max_size=5) | st.booleans() | st.integers(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=12,
    )
)
def test_a_policy_means_the_same_as_its_own_json(policy: Any) -> None:
    assert policy_meaning(json.dumps({"Statement": policy})) == policy_meaning({"Statement": policy})


def test_keeps_the_programs_own_text_where_aws_means_the_same() -> None:
    text = json.dumps(POLICY, indent=2)
    source = policy_found("policy", lambda seen: seen.it)
    assert call(source, view(inputs={"policy": text}, it=POLICY)) == text
    assert call(source, view(outputs={"policy": text}, it=POLICY)) == text


def test_shows_what_aws_has_where_it_means_something_else() -> None:
    changed = {**POLICY, "Statement": []}
    source = policy_found("policy", lambda seen: seen.it)
    assert json.loads(call(source, view(inputs={"policy": json.dumps(POLICY)}, it=changed))) == changed
    assert call(source, view(it=None)) is None


def test_sends_an_object_as_json_text() -> None:
    assert json.loads(call(policy_sent("policy"), view(inputs={"policy": POLICY}))) == POLICY
    assert call(policy_sent("policy"), view()) is None


def test_takes_an_id_apart_at_the_first_separator() -> None:
    assert call(id_part(0, "/"), view(id="role/arn:aws:iam::aws:policy/x")) == "role"
    assert call(id_part(1, "/"), view(id="role/arn:aws:iam::aws:policy/x")) == "arn:aws:iam::aws:policy/x"
