"""Runs one Pulumi Python program for the bundled language host; started by it, in the program's own interpreter.

Stands alone (standard library and the program's `pulumi`), because that interpreter may hold nothing of ours. Behaves
as the vendor's `pulumi-language-python-exec` (sdk/python/cmd in pulumi/pulumi, v3.259.0) with three differences: the
run's settings, secrets among them, come by stdin and not by arguments and environment; tracebacks leave out the frames
of host and SDK also where no frame of the main program is in them; an error of seekstack's own is shown as its text.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    del sys.path[0]  # Python put this file's folder there: its siblings must not be importable by the program

import asyncio
import json
import logging
import os
import runpy
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ALREADY_SHOWN = 32  # the vendor's own number: the engine has the message, the host adds none
INTERRUPTED = 130
PARENT_POLL_SECONDS = 0.5
THREADS_PER_OPERATION = 4  # as in the vendor's executor

MISSING_SDK = """
It looks like the Pulumi SDK has not been installed for {python}.
Install the project's dependencies there, or name another interpreter in Pulumi.yaml (runtime.options.virtualenv).
"""


def main() -> int:
    """The exit status of the program whose settings stand on stdin."""
    job: dict[str, Any] = json.load(sys.stdin)
    threading.Thread(target=_leave_with_host, args=(os.getppid(),), daemon=True).start()
    os.chdir(job["pwd"])
    try:
        import pulumi
        import pulumi.runtime
    except ImportError:
        sys.stderr.write(traceback.format_exc() + MISSING_SDK.format(python=sys.executable))
        return 1
    pulumi.runtime.set_all_config(job["config"], job["secret_keys"])
    pulumi.runtime.configure(pulumi.runtime.Settings(**job["settings"]))
    sys.argv = [job["program"], *job["arguments"]]
    return _run(job["program"], job["settings"]["parallel"])


def _run(program: str, parallel: int) -> int:
    import pulumi

    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # futures never awaited after a failure are expected
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    threads = ThreadPoolExecutor(max_workers=max(parallel, 1) * THREADS_PER_OPERATION)
    loop.set_default_executor(threads)
    main_file = _main_file(program)
    if not main_file.is_file():
        pulumi.log.error(f"unable to find main python program `{main_file.name}` in `{main_file.parent}`")
        return ALREADY_SHOWN
    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(lambda: _run_path(program)))
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)  # the engine has ended; threads that still wait for it must not hold us
    except Exception as error:  # noqa: BLE001 whatever a program raises is for its author
        pulumi.log.error(describe(error, main_file))
        return ALREADY_SHOWN
    finally:
        threads.shutdown(wait=True)
        loop.close()
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


def _run_path(program: str) -> None:
    runpy.run_path(program, run_name="__main__")


def _main_file(program: str) -> Path:
    path = Path(program).absolute()
    return path if path.suffix else path / "__main__.py"


def describe(error: BaseException, main_file: Path) -> str:
    """What a person is shown: the text of an error made for people, else the program's own traceback."""
    import pulumi

    made_for_people = all(hasattr(error, name) for name in ("code", "exit_code", "to_json"))
    if made_for_people or isinstance(error, pulumi.RunError):
        return str(error)
    told = traceback.TracebackException.from_exception(error, compact=True)
    _trim(told, main_file, {id(told)})
    return "Program failed with an unhandled exception:\n" + "".join(told.format())


def _trim(told: traceback.TracebackException, main_file: Path, seen: set[int]) -> None:
    """Drop the frames before the program's, in the error and in those it came from."""
    frames = list(told.stack)
    told.stack = traceback.StackSummary.from_list(frames[_first_shown([f.filename for f in frames], main_file) :])
    for earlier in (told.__cause__, told.__context__):
        if earlier is not None and id(earlier) not in seen:
            seen.add(id(earlier))
            _trim(earlier, main_file, seen)


def _first_shown(files: list[str], main_file: Path) -> int:
    """Where the main program starts, else any code but the SDK's; else, for the SDK's own failure, where we end.

    A main program that cannot be compiled has no frame at all, and none is shown.
    """
    in_main = (i for i, name in enumerate(files) if Path(name) == main_file)
    in_other = (i for i, name in enumerate(files) if not _is_internal(name))
    after_host = max((i + 1 for i, name in enumerate(files) if _is_host(name)), default=0)
    return next(in_main, next(in_other, after_host))


def _is_host(name: str) -> bool:
    return name == __file__ or name.startswith("<frozen ") or Path(name).name == "runpy.py"


def _is_internal(name: str) -> bool:
    import pulumi

    folders = (Path(pulumi.__file__).parent, Path(asyncio.__file__).parent)
    in_sdk = any(Path(name).is_relative_to(folder) for folder in folders)
    return in_sdk or _is_host(name)


def _leave_with_host(host: int) -> None:
    """End with the host, however it ends: nothing may go on registering resources for a run that is over."""
    while os.getppid() == host:
        time.sleep(PARENT_POLL_SECONDS)
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    try:
        status = main()
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)
    sys.exit(status)
