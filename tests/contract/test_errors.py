"""Every error code that the code can raise is explained in docs/errors.md, and none is explained that it cannot."""

import re

from infra.sizing.refusal import Reason
from tests.contract.support_files import text_of
from tests.contract.support_source import project_modules

CODE = re.compile(r"SKS\d{4}")


def raised() -> set[str]:
    found = {code for module in project_modules() for code in CODE.findall(module.text)}
    return found | {reason.code for reason in Reason}


def explained() -> set[str]:
    codes: set[str] = set()
    for row in re.findall(r"^\| (SKS.*?) \|", text_of("docs/errors.md"), re.MULTILINE):
        first, *rest = CODE.findall(row)
        if " to " in row:
            codes |= {f"SKS{number:04d}" for number in range(int(first[3:]), int(rest[0][3:]) + 1)}
        else:
            codes |= {first, *rest}
    return codes


def test_every_code_is_explained():
    assert sorted(raised() - explained()) == []


def test_no_row_is_about_a_code_that_is_gone():
    rows = re.findall(r"^\| (SKS.*?) \|", text_of("docs/errors.md"), re.MULTILINE)
    assert sorted({code for row in rows for code in CODE.findall(row)} - raised()) == []
