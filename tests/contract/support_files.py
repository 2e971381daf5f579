"""The files that are, or are about to be, committed."""

from __future__ import annotations

import subprocess

from tests.contract.support_source import ROOT

__all__ = ["committed_files", "text_of"]


def committed_files() -> list[str]:
    """Tracked files and untracked ones that git does not ignore, so that a problem shows before the commit.

    `safe.directory`: a CI runner often reads a checkout that belongs to another user.
    """
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return sorted(name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file())


def text_of(name: str) -> str:
    """The file's text; empty for a binary file."""
    try:
        return (ROOT / name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""
