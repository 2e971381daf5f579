"""`seekstack`: reads the command line, runs one command, turns what went wrong into an exit code."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from infra.cli import catalogue, check, demo, plan, render, sandbox
from infra.cli.output import write_json
from infra.errors import SeekstackError, ToolError

__all__ = ["EXIT_CANCELLED", "EXIT_INTERNAL", "build_parser", "main"]

EXIT_BROKEN_PIPE = 1
EXIT_CANCELLED = 8
EXIT_INTERNAL = 255
"""Pulumi's own codes (see infra.errors); argparse's 2 for a wrong flag is Pulumi's code for configuration."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; never raises, except argparse's SystemExit for `--help`, `--version` and wrong flags."""
    options = build_parser().parse_args(arguments)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_left()
    except SeekstackError as error:
        return _refuse(error, as_json=getattr(options, "json", False))
    except OSError as error:
        return _refuse(_from_system(error), as_json=getattr(options, "json", False))
    except KeyboardInterrupt:
        sys.stderr.write("cancelled\n")
        return EXIT_CANCELLED
    except Exception as error:  # noqa: BLE001 the last line of defence
        sys.stderr.write(f"this is a bug in seekstack, please report it: {type(error).__name__}: {error}\n")
        traceback.print_exc()
        return EXIT_INTERNAL
    return code


def build_parser() -> argparse.ArgumentParser:
    """The whole command line. Commands import what they need when they run: help stays under 0.3 s."""
    parser = argparse.ArgumentParser(
        prog="seekstack", description="Run DeepSeek models privately: size, provision, serve.", allow_abbrev=False
    )
    parser.add_argument("--version", action=_Version, help="print the version and exit")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in (plan, catalogue, check, render, sandbox, demo):
        module.add_parser(subparsers)
    return parser


class _Version(argparse.Action):
    """Reads the version of the installed package, only when asked (importlib.metadata costs 18 ms)."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:  # noqa: A002
        super().__init__(option_strings, dest=dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            text = version("seekstack")
        except PackageNotFoundError:
            text = "(not installed)"
        sys.stdout.write(f"seekstack {text}\n")
        parser.exit()


def _refuse(error: SeekstackError, *, as_json: bool) -> int:
    if as_json:
        write_json({"error": error.to_json()})
    else:
        sys.stderr.write(f"{error}\n")
    return error.exit_code


def _from_system(error: OSError) -> ToolError:
    """A full disk, a read-only folder, a name that is no folder: the system's own words, and no traceback."""
    where = f"{error.filename}: " if error.filename else ""
    return ToolError(
        f"{where}{error.strerror or error}",
        code="SKS0001",
        value=error.filename,
        fix="make room or rights there, or name another folder (--home, --out, SEEKSTACK_HOME, SEEKSTACK_CACHE)",
    )


def _reader_left() -> int:
    """`seekstack models | head`: say nothing, and keep the interpreter's own flush at exit quiet too."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_BROKEN_PIPE


if __name__ == "__main__":
    sys.exit(main())
