"""What comes from outside is never run: no pickle, no YAML of objects, no code in networks.

Ruff's rules `S` see most of it (calls of pickle, eval, shells, unescaped pages); here is what
they do not.
"""

import ast
import re
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]
PACKAGES = ("roadshift", "stages", "ablation", "search")
FILES = [f for place in PACKAGES for f in (PROJECT / place).rglob("*.py")]
NARROW_UNPICKLER = PROJECT / "roadshift/networks/torch_checkpoint.py"
"""It admits what a checkpoint's tensors are made of and nothing else; its tests attack it."""


def calls():
    """(file and line, the function's dotted name, its keywords) of every call."""
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                keywords = {k.arg: ast.unparse(k.value) for k in node.keywords}
                yield f"{file}:{node.lineno}", ast.unparse(node.func), keywords


def imported(file):
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module).partition(".")[0]


def test_only_the_narrow_unpickler_unpickles():
    pickling = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    assert [f for f in FILES if pickling & {*imported(f)}] == [NARROW_UNPICKLER]
    code = NARROW_UNPICKLER.read_text("utf-8")
    assert {*re.findall(r"pickle\.(\w+)", code)} <= {"Unpickler", "UnpicklingError"}
    assert "def find_class" in code


def test_arrays_are_loaded_without_objects():
    loads = [(at, k) for at, name, k in calls() if name in ("np.load", "numpy.load")]
    assert loads
    assert [at for at, keywords in loads if keywords.get("allow_pickle") != "False"] == []


def test_networks_are_loaded_without_code():
    loads = [(at, k) for at, name, k in calls() if name.endswith("load_model")]
    assert loads
    assert [at for at, keywords in loads if keywords.get("safe_mode") != "True"] == []
    assert [at for at, name, _ in calls() if name.endswith("enable_unsafe_deserialization")] == []


def test_yaml_is_of_plain_values():
    unsafe = re.compile(r"yaml\.(?:\w*_)?(?:load|load_all|Loader|FullLoader|UnsafeLoader)\b")
    allowed = {"yaml.safe_load", "yaml.safe_load_all"}
    found = {m[0] for file in FILES for m in unsafe.finditer(file.read_text("utf-8"))}
    assert found <= allowed


@pytest.mark.parametrize("rule", ["S", "B"])
def test_ruff_looks_for_it(rule):
    lines = (PROJECT / "pyproject.toml").read_text("utf-8").splitlines()
    assert any(line.startswith("select = ") and f'"{rule}"' in line for line in lines)


def test_every_exception_has_a_reason():
    bare = re.compile(r"# noqa: S\d+(?!.* - )")
    assert [f for f in FILES if bare.search(f.read_text("utf-8"))] == []
    ignored = re.compile(r"^\".*\" = \[.*\"S\d+\".*\](?! # )", re.MULTILINE)
    assert not ignored.search((PROJECT / "pyproject.toml").read_text("utf-8"))
