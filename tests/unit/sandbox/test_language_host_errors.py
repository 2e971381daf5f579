"""What a person sees of a program's error: their own frames, and nothing of host, runpy and SDK before them."""

from __future__ import annotations

from pathlib import Path

import pulumi
import pytest

from infra.errors import ConfigurationError
from sandbox import language_program
from sandbox.language_program import _main_file, _run_path, describe

HEADLINE = "Program failed with an unhandled exception:\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "infra"


def shown(folder: Path, text: str, **siblings: str) -> str:
    """What `describe` makes of the error of a program with this main file."""
    folder.mkdir(exist_ok=True)
    (folder / "__main__.py").write_text(text)
    for name, sibling in siblings.items():
        (folder / f"{name}.py").write_text(sibling)
    try:
        _run_path(str(folder))
    except Exception as error:  # noqa: BLE001 as in the host
        return without_us(error, folder)
    raise AssertionError("the program did not fail")


def without_us(error: Exception, folder: Path) -> str:
    """`describe` without the frame of this file, which the host does not have."""
    assert error.__traceback__ is not None
    return describe(error.with_traceback(error.__traceback__.tb_next), _main_file(str(folder)))


def files_in(told: str) -> list[str]:
    return [line.split('"')[1] for line in told.splitlines() if line.lstrip().startswith('File "')]


def test_starts_at_the_main_program(folder: Path) -> None:
    told = shown(folder, "def f():\n    return {}['k']\nf()\n")
    assert told.startswith(f"{HEADLINE}Traceback (most recent call last):\n")
    assert files_in(told) == [str(folder / "__main__.py")] * 2
    assert told.endswith("KeyError: 'k'\n")


def test_keeps_the_sdk_frames_below_the_program(folder: Path) -> None:
    told = shown(folder, "import pulumi\npulumi.Output.from_input({1: 2}).get()\n")
    assert files_in(told)[0] == str(folder / "__main__.py")
    assert "pulumi/output.py" in told


def test_trims_the_error_it_came_from_too(folder: Path) -> None:
    text = "import part_a\ntry:\n    part_a.f()\nexcept KeyError as error:\n    raise ValueError('mine') from error\n"
    told = shown(folder, text, part_a="def f():\n    raise KeyError('k')\n")
    assert "KeyError: 'k'\n\nThe above exception was the direct cause" in told
    assert {Path(file).parent for file in files_in(told)} == {folder}


def test_an_error_that_is_its_own_context_does_not_loop(folder: Path) -> None:
    told = shown(folder, "a, b = ValueError('a'), ValueError('b')\na.__context__, b.__context__ = b, a\nraise a\n")
    assert told.endswith("ValueError: a\n")


def test_a_main_program_that_cannot_be_compiled_shows_the_line_and_no_frame(folder: Path) -> None:
    told = shown(folder, "def f(:\n")
    assert files_in(told) == [str(folder / "__main__.py")]
    assert "Traceback" not in told
    assert "SyntaxError: invalid syntax" in told


def test_a_missing_import_shows_who_wanted_it(folder: Path) -> None:
    told = shown(folder, "import part_b\n", part_b="import no_such_module\n")
    assert files_in(told) == [str(folder / "__main__.py"), str(folder / "part_b.py")]
    assert "ModuleNotFoundError: No module named 'no_such_module'" in told


def test_a_callback_of_the_program_is_shown_without_the_sdk_that_called_it(folder: Path) -> None:
    folder.mkdir()
    (folder / "__main__.py").touch()
    source = compile("def callback():\n    raise OSError('mine')\n", str(folder / "other.py"), "exec")
    sdk = compile("def call(callback):\n    callback()\n", str(Path(pulumi.__file__).with_name("output.py")), "exec")
    names: dict[str, object] = {}
    exec(source, names)  # noqa: S102 a frame needs a file name
    exec(sdk, names)  # noqa: S102
    with pytest.raises(OSError, match="mine") as raised:
        names["call"](names["callback"])  # type: ignore[operator]
    assert files_in(without_us(raised.value, folder)) == [str(folder / "other.py")]


def test_a_failure_of_the_sdk_alone_keeps_its_frames(folder: Path) -> None:
    with pytest.raises(TypeError) as raised:
        pulumi.ComponentResource("t:x:C", None)  # type: ignore[arg-type]
    files = files_in(without_us(raised.value, folder))
    assert files
    assert all("pulumi" in file for file in files)


@pytest.mark.parametrize(
    "error",
    [
        pulumi.RunError("only this"),
        ConfigurationError("bad model", code="SKS0201", key="model", allowed="7B", fix="choose one"),
    ],
)
def test_an_error_made_for_people_is_its_text(folder: Path, error: Exception) -> None:
    assert describe(error, folder / "__main__.py") == str(error)


@pytest.mark.parametrize(("program", "expected"), [("infra", "infra/__main__.py"), ("infra/main.py", "infra/main.py")])
def test_a_folder_is_run_by_its_main_file(program: str, expected: str) -> None:
    assert _main_file(program) == Path(expected).absolute()


def test_the_vendors_exit_code_for_what_was_shown_is_known_to_both_sides() -> None:
    from sandbox import language_host

    assert language_host.ALREADY_SHOWN == language_program.ALREADY_SHOWN
