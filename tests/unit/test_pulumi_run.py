"""What pulumi prints becomes data."""

import pytest

from sandbox.pulumi_run import Change, Finished, Preview, _change

SUMMARY = """\
 +  aws:ec2:Vpc network-vpc creating (0s)
Resources:
    + 21 created
    ~ 1 updated
    +-2 replaced
    - 3 deleted
    5 unchanged

Duration: 4s
"""


def test_counts_come_from_the_summary():
    assert Finished(SUMMARY, 4).counts == {"created": 21, "updated": 1, "replaced": 2, "deleted": 3, "unchanged": 5}


@pytest.mark.parametrize("line", ["", "error: 3 created things", "aws 21 created"])
def test_other_lines_are_not_taken_for_counts(line):
    assert Finished(line, 1).counts == {}


def test_a_change_names_its_resource_and_the_paths_that_differ():
    step = {
        "op": "update",
        "urn": "urn:pulumi:dev::seekstack::seekstack:aws:Network$aws:ec2/vpc:Vpc::network-vpc",
        "detailedDiff": {"tags.b": {}, "tags.a": {}},
        "oldState": {"inputs": {"x": 1}},
        "newState": {"inputs": {"x": 2}},
    }
    change = _change(step)
    assert (change.name, change.properties) == ("network-vpc", ("tags.a", "tags.b"))
    assert (change.old_inputs, change.new_inputs) == ({"x": 1}, {"x": 2})


def test_a_created_resource_has_no_old_inputs():
    change = _change({"op": "create", "urn": "a::b", "newState": {"inputs": {"x": 2}}})
    assert change.properties == ()
    assert change.old_inputs == {}


def test_a_preview_counts_by_operation():
    changes = tuple(Change(op, "u", (), {}, {}) for op in ("update", "update", "replace"))
    assert Preview(changes, 3, 1.0).counts == {"update": 2, "replace": 1}
