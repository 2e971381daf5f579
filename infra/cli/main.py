"""`seekstack`: reads the command line, runs one command, turns what went wrong into an exit code."""

from __future__ import annotations

import argparse
import errno
import os
import sys
import traceback
from collections.abc import Sequence

from infra.cli import catalogue, check, demo, plan, render, sandbox
from infra.cli.output import write_json
from infra.errors import SeekstackError, ToolError

__all__ = ["EXIT_CANCELLED", "EXIT_INTERNAL", "build_parser", "main"]

EXIT_UNWRITTEN = 1
EXIT_CANCELLED = 8
EXIT_INTERNAL = 255
"""Pulumi's own codes (see infra.errors); argparse's 2 for a wrong flag is Pulumi's code for configuration."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; never raises, except argparse's SystemExit for `--help`, `--version` and wrong flags."""
    _open_closed_streams()
    try:
        options = build_parser().parse_args(arguments)
    except SystemExit as leaving:
        sandbox.on_wrong_flags(sys.argv[1:] if arguments is None else arguments, leaving)
        raise
    except OSError as error:  # `--version` into a full disk
        return _unwritten(error)
    try:
        code: int = options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        return _reader_left()
    except SeekstackError as error:
        return _refuse(error, as_json=getattr(options, "json", False))
    except OSError as error:
        refusal = _from_system(error)
        return _refuse(refusal, as_json=getattr(options, "json", False)) if refusal else _bug(error)
    except KeyboardInterrupt:
        sys.stderr.write("cancelled\n")
        return EXIT_CANCELLED
    except Exception as error:  # noqa: BLE001 the last line of defence
        return _bug(error)
    return code


def _open_closed_streams() -> None:
    """`seekstack … >&-`: without a stdout the next file that is opened would take its number, and be written to."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, which is this one
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w"))


def _bug(error: Exception) -> int:
    sys.stderr.write(f"this is a bug in seekstack, please report it: {type(error).__name__}: {error}\n")
    traceback.print_exc()
    return EXIT_INTERNAL


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
    try:
        if as_json:
            write_json({"error": error.to_json()})
        else:
            sys.stderr.write(f"{error}\n")
        sys.stdout.flush()
    except OSError as unwritten:
        return _unwritten(unwritten, told=not as_json)
    return error.exit_code


def _unwritten(error: OSError, *, told: bool = False) -> int:
    """stdout takes nothing more (`> /dev/full`): one line on stderr, unless that was said already."""
    _silence_stdout()
    if isinstance(error, BrokenPipeError) or told:
        return EXIT_UNWRITTEN
    failure = _from_system(error) or ToolError(
        f"writing the output: {error.strerror or error}", code="SKS0001", fix="send the output elsewhere"
    )
    sys.stderr.write(f"{failure}\n")
    return EXIT_UNWRITTEN


ELSEWHERE = "name another place (--home, --out, SEEKSTACK_HOME, SEEKSTACK_CACHE)"
FIXES = {
    errno.ENOSPC: f"make room on that disk, or {ELSEWHERE}",
    errno.EDQUOT: f"make room below your quota, or {ELSEWHERE}",
    errno.EROFS: f"that disk is read-only: {ELSEWHERE}",
    errno.EACCES: f"take the rights to it (ls -ld shows whose it is), or {ELSEWHERE}",
    errno.EPERM: f"take the rights to it (ls -ld shows whose it is), or {ELSEWHERE}",
    errno.EEXIST: f"something else of that name is there: move it away, or {ELSEWHERE}",
    errno.ENOTDIR: f"a part of that path is no folder: move it away, or {ELSEWHERE}",
    errno.EISDIR: f"a folder is where a file should be: move it away, or {ELSEWHERE}",
    errno.ENOENT: "it is not there: make it (a folder above it may be missing), or name another",
    errno.ENAMETOOLONG: f"the path is too long: {ELSEWHERE}",
    errno.ELOOP: "links lead in a circle there: remove one of them",
    errno.EMFILE: "too many files are open: raise the limit (ulimit -n 4096)",
    errno.ENOMEM: "memory ran out: end other programs",
}
"""Errors of the system that a person can mend; a broken connection or another one is not about a file."""


def _from_system(error: OSError) -> ToolError | None:
    """A full disk, a read-only folder, a name that is no folder: the system's own words, and no traceback."""
    fix = FIXES.get(error.errno or 0)
    if fix is None:
        return None
    where = f"{error.filename}: " if error.filename else "writing the output: " if error.errno == errno.ENOSPC else ""
    return ToolError(f"{where}{error.strerror or error}", code="SKS0001", value=error.filename, fix=fix)


def _reader_left() -> int:
    """`seekstack models | head`: say nothing, and keep the interpreter's own flush at exit quiet too."""
    _silence_stdout()
    return EXIT_UNWRITTEN


def _silence_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    sys.exit(main())
