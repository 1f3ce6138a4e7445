"""Digests of code: what a reader's text changes, and what a program's does."""

import pytest

from roadshift.source_code import code_digest, is_program, modules_of_program

PROGRAM = '''"""A module."""

import math

LIMIT = 3
"""How often."""


class Circle:
    """A circle."""

    radius: float = Field(ge=0, description="in metres")

    def area(self, scale=1.0):
        """The area."""
        return math.pi * self.radius**2 * scale  # square metres
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""A module."""', '"""A better sentence."""'),
        ('"""A module."""\n', ""),
        ('"""How often."""', '"""At most."""'),
        ('"""The area."""', '"""The area, in square metres."""'),
        ("  # square metres", ""),
        ("LIMIT = 3", "LIMIT = (\n    3\n)"),
        ('"in metres"', "'metres'"),
        ("scale=1.0", "scale = 1.0"),
    ],
)
def test_what_is_for_readers_does_not_change_it(old, new):
    assert old in PROGRAM
    assert code_digest(PROGRAM.replace(old, new)) == code_digest(PROGRAM)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("LIMIT = 3", "LIMIT = 4"),
        ("LIMIT = 3", "LIMIT = 3.0"),
        ("LIMIT = 3", "LIMIT = True"),
        ("LIMIT = 3", "LIMIT = None"),
        ("LIMIT = 3", "LIMIT = 'x'"),
        ("LIMIT = 3", "limit = 3"),
        ("ge=0", "gt=0"),
        ("**2", "*2"),
        (" * scale", ""),
        ("scale=1.0", "scale=1.5"),
        ("scale=1.0", "scale"),
        ("import math", "import numpy as math"),
        ("self.radius**2", "(self.radius + 2)"),
    ],
)
def test_what_the_program_does_changes_it(old, new):
    assert old in PROGRAM
    assert code_digest(PROGRAM.replace(old, new)) != code_digest(PROGRAM)


def test_constants_of_different_types_or_places_differ():
    texts = [
        "1",
        "1.0",
        "True",
        "None",
        "x",
        "''",
        "b''",
        "[]",
        "()",
        "[None]",
        "f'{x}'",
        "f'{x!r}'",
    ]
    programs = [f"x = {text}" for text in texts] + ["x: int", "x: int = 1", "y = x = 1"]
    assert len({code_digest(program) for program in programs}) == len(programs)


def test_every_python_gives_this_digest():
    """A digest in dvc.lock holds for other versions of Python too."""
    text = (
        "class A(B, c=1):\n    def f(self, *a, b=None, **c) -> int:\n        return f'{a!r:>{b}}'\n"
    )
    assert code_digest(text) == ("7cb4d7e1c7ab4f0cf6a3a3d4b240ab2fa1a4a53cd5f5d54acba9494dff5bc3e9")


@pytest.fixture
def packages(tmp_path):
    files = {
        "ours/__init__.py": "import ours.first\n",
        "ours/first.py": "",
        "ours/second.py": "def f():\n    from ours.deep import inner\n",
        "ours/deep/__init__.py": "",
        "ours/deep/inner.py": "from ours.deep.other import number\nimport theirs\n",
        "ours/deep/other.py": "number = 1\n",
        "ours/unused.py": "import ours.first\n",
        "theirs/__init__.py": "import ours.unused\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def found(packages, text, **options):
    paths = modules_of_program(text, root=packages, packages=["ours"], **options)
    return [path.as_posix().removeprefix("ours/") for path in paths]


def test_imports_are_followed_to_any_distance_inside_functions_and_through_packages(packages):
    assert found(packages, "from ours import second\nimport numpy\n") == [
        "__init__.py", "deep/__init__.py", "deep/inner.py", "deep/other.py", "first.py",
        "second.py",
    ]  # fmt: skip
    assert found(packages, "import ours.deep.other as o") == [
        "__init__.py", "deep/__init__.py", "deep/other.py", "first.py"
    ]  # fmt: skip
    assert found(packages, "import math") == []


def test_modules_that_are_left_out_are_not_followed(packages):
    text = "import ours.second"
    assert found(packages, text, leave_out=["ours/second.py"]) == ["__init__.py", "first.py"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'{PROGRAM}\n\nif __name__ == "__main__":\n    run()\n', True),
        (PROGRAM, False),
        ('def f():\n    if __name__ == "__main__":\n        run()\n', False),
    ],
)
def test_a_module_that_runs_is_told_from_one_that_is_imported(text, expected):
    assert is_program(text) is expected
