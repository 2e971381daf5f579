"""One engine run of a program file, in a process of its own: `python -m tests.e2e.support_inline COMMAND FILE ENGINE`.

The Automation API leaves sockets and an event loop behind each inline program; a process of its own takes them along.
Needs no language host. Prints one JSON object on the last line of stdout.
"""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

from pulumi import automation as auto
from pulumi.automation._cmd import PulumiCommand

__all__ = ["PROJECT", "STACK"]

PROJECT, STACK = "aws-plugin", "dev"


def main(command: str, file: str, engine: str) -> int:
    """Run one command of up, preview, refresh and destroy."""
    stack = auto.create_or_select_stack(
        STACK,
        project_name=PROJECT,
        program=lambda: runpy.run_path(file),
        opts=auto.LocalWorkspaceOptions(
            pulumi_command=PulumiCommand(engine),
            work_dir=str(Path(file).parent),
            project_settings=auto.ProjectSettings(name=PROJECT, runtime="python"),
        ),
    )
    urns: list[str] = []

    def note(event: Any) -> None:
        if event.resource_pre_event is not None:
            urns.append(event.resource_pre_event.metadata.urn)

    options = {"on_output": sys.stderr.write} | ({} if command in ("refresh", "destroy") else {"on_event": note})
    try:
        result = getattr(stack, command)(**options)
    except auto.CommandError as error:
        report: dict[str, Any] = {"error": str(error)}
    else:
        report = {"changes": _changes(result), "outputs": {k: o.value for k, o in stack.outputs().items()}}
    sys.stdout.write("\n" + json.dumps(report | {"urns": urns}) + "\n")
    return 0


def _changes(result: Any) -> dict[str, int]:
    changes = result.change_summary if hasattr(result, "change_summary") else result.summary.resource_changes
    return {str(getattr(kind, "value", kind)): count for kind, count in (changes or {}).items() if count}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
