"""Digests of Python code that comments, docstrings and formatting do not change.

A workflow that hashes files runs a training again after the correction of a comment. One that
hashes these digests runs it again after a change of the program.
"""

import ast
import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path


def code_digest(text: str) -> str:
    """Hashes a Python program without what is written for its readers.

    Comments, formatting, docstrings, other strings that stand as a statement, and arguments named
    `description` (of pydantic's fields and of help texts) do not count. Names, messages and
    everything else do. Python 3.10 to 3.13 give the same digest.

    Args:
        text: source code of a module.

    Returns:
        SHA-256, hexadecimal.

    Raises:
        SyntaxError: the text is no Python program.
    """
    return hashlib.sha256(_canonical(ast.parse(text)).encode()).hexdigest()


def is_program(text: str) -> bool:
    """Returns whether a module does something when it is run: `if __name__ == "__main__":`.

    Raises:
        SyntaxError: the text is no Python program.
    """
    return any(
        isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
        for node in ast.parse(text).body
    )


def modules_of_program(
    text: str, *, root: Path, packages: Collection[str], leave_out: Collection[str] = ()
) -> list[Path]:
    """Finds the modules that a program imports, at any distance, by reading their code.

    An import inside a function counts. A module brings the `__init__.py` of the packages that it
    lies in, as in Python.

    Args:
        text: source code of the program.
        root: folder that holds the packages.
        packages: names of the top-level packages to look into.
        leave_out: paths relative to `root`; these modules and what they import do not count.

    Returns:
        Paths relative to `root`, sorted.

    Raises:
        SyntaxError: the program or a module is not valid Python.
    """
    found: set[Path] = set()
    pending = [text]
    while pending:
        for name in _imported(ast.parse(pending.pop())):
            if name.partition(".")[0] not in packages:
                continue
            for file in _files(root, name.split(".")):
                path = file.relative_to(root)
                if path not in found and path.as_posix() not in leave_out:
                    found.add(path)
                    pending.append(file.read_text("utf-8"))
    return sorted(found)


def _imported(tree: ast.AST) -> Iterator[str]:
    """Names of the modules that a program imports; some may be of other objects in a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files(root: Path, parts: list[str]) -> Iterator[Path]:
    """The files that Python runs to import a module: those of its packages, and its own."""
    for length in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:length])
        file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
        if file.is_file():
            yield file


def _canonical(node: object) -> str:
    """Writes a syntax tree; empty fields are left out, since some Pythons lack them."""
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if name != "kind")
        written = (
            f"{name}={_canonical(value)}" for name, value in fields if value not in (None, [])
        )
        return f"{type(node).__name__}({','.join(written)})"
    if isinstance(node, list):
        return f"[{','.join(_canonical(each) for each in node if not _is_text(each))}]"
    return f"{type(node).__name__}:{node!r}"


def _is_text(node: object) -> bool:
    """Whether a node is a docstring or a comment in the form of one, or a field's description."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    return isinstance(node, ast.keyword) and node.arg == "description"
