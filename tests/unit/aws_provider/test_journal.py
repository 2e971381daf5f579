"""The journal and the checkpoint it is compared with."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from sandbox.aws_provider.clients import Clients, Configuration
from sandbox.aws_provider.document import Document
from sandbox.aws_provider.journal import Journal
from sandbox.aws_provider.types import TYPES
from sandbox.checkpoint import UnreadableError, recorded_ids

VPC = "aws:ec2/vpc:Vpc"
CLIENTS = Clients(Configuration("eu-central-1", {"*": "http://127.0.0.1:1"}))


def journal(tmp_path: Path, run: str = "1", backend: str = "file:///b") -> Journal:
    return Journal(tmp_path / "p-s.jsonl", backend=backend, run=run)


def begin(book: Journal, token: str = VPC, **inputs: Any) -> str:
    return book.begin(Document(CLIENTS, "eu-central-1", inputs=inputs), TYPES[token], "urn:x")


def test_an_intent_is_open_until_it_failed_was_deleted_or_is_settled(tmp_path: Path) -> None:
    book = journal(tmp_path)
    tokens = [begin(book) for _ in range(4)]
    book.created(tokens[0], "vpc-0")
    book.failed(tokens[1])
    book.created(tokens[2], "vpc-2")
    book.deleted(VPC, "vpc-2")
    later = journal(tmp_path, run="2")
    assert [(intent.token, intent.id) for intent in later.open_intents()] == [(tokens[0], "vpc-0"), (tokens[3], "")]
    later.settle([tokens[3]])
    assert [intent.id for intent in later.open_intents()] == ["vpc-0"]


def test_intents_of_the_own_run_and_of_another_backend_are_left_alone(tmp_path: Path) -> None:
    begin(journal(tmp_path))
    assert journal(tmp_path).open_intents() == []
    assert journal(tmp_path, run="2", backend="file:///other").open_intents() == []


def test_settling_keeps_intents_of_other_runs(tmp_path: Path) -> None:
    first, second = begin(journal(tmp_path)), begin(journal(tmp_path, run="2"))
    journal(tmp_path, run="2").settle([first])
    assert [intent.token for intent in journal(tmp_path, run="3").open_intents()] == [second]


def test_a_line_torn_by_a_crash_does_not_hide_the_others(tmp_path: Path) -> None:
    book = journal(tmp_path)
    first = begin(book)
    with (tmp_path / "p-s.jsonl").open("a") as file:
        file.write('{"token": "half')
    second = begin(book)
    assert [intent.token for intent in journal(tmp_path, run="2").open_intents()] == [first, second]


def test_the_journal_holds_no_inputs(tmp_path: Path) -> None:
    begin(journal(tmp_path), "aws:ssm/parameter:Parameter", name="n", type="SecureString", value="canary")
    assert "canary" not in (tmp_path / "p-s.jsonl").read_text()


def write_state(folder: Path, latest: Any, suffix: str = ".json") -> str:
    file = folder / ".pulumi" / "stacks" / "p" / f"s{suffix}"
    file.parent.mkdir(parents=True)
    text = json.dumps({"version": 3, "checkpoint": {"stack": "s", "latest": latest}}).encode()
    file.write_bytes(gzip.compress(text) if suffix.endswith(".gz") else text)
    return f"file://{folder}"


@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_reads_resources_and_pending_operations(tmp_path: Path, suffix: str) -> None:
    resources = [{"type": VPC, "id": "vpc-1"}, {"type": VPC, "id": "vpc-2", "delete": True}, {"type": "component"}]
    pending = [{"resource": {"type": VPC, "id": "vpc-3"}, "type": "deleting"}]
    backend = write_state(tmp_path, {"resources": resources, "pending_operations": pending}, suffix)
    assert recorded_ids(backend, "p", "s") == {(VPC, "vpc-1"), (VPC, "vpc-2"), (VPC, "vpc-3")}


def test_an_empty_stack_has_recorded_nothing(tmp_path: Path) -> None:
    assert recorded_ids(write_state(tmp_path, None), "p", "s") == set()
    assert recorded_ids(f"file://{tmp_path}", "p", "another") == set()


@pytest.mark.parametrize("backend", ["s3://bucket", "https://api.pulumi.com", "", "file:///does/not/exist"])
def test_a_backend_that_is_no_folder_cannot_be_read(backend: str) -> None:
    with pytest.raises(UnreadableError):
        recorded_ids(backend, "p", "s")


def test_a_checkpoint_in_another_form_cannot_be_read(tmp_path: Path) -> None:
    backend = write_state(tmp_path, {})
    (tmp_path / ".pulumi/stacks/p/s.json").rename(tmp_path / ".pulumi/stacks/p/s.json.zst")
    with pytest.raises(UnreadableError):
        recorded_ids(backend, "p", "s")
    (tmp_path / ".pulumi/stacks/p/s.json").write_text("{}")
    with pytest.raises(UnreadableError):
        recorded_ids(backend, "p", "s")
