"""The parameters that dvc.yaml declares for a stage are those that the stage's code reads."""

import ast
import re

import pytest

from roadshift.settings import Settings
from stages.params import Params
from tests.stages.graph import PROJECT, STAGES, by_name, code_of, declared_params


def keys_read(script):
    """The keys of `params` that a stage's code reads, `*` for one chosen by its argument."""
    tree = ast.parse(code_of(script))
    inner = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Attribute | ast.Subscript)}
    keys = set()
    for node in ast.walk(tree):
        parts, at = [], node
        while isinstance(at, ast.Attribute | ast.Subscript):
            parts.append(at.attr if isinstance(at, ast.Attribute) else "*")
            at = at.value
        if parts and isinstance(at, ast.Name) and at.id == "params" and id(node) not in inner:
            keys.add(".".join(reversed(parts)))
    return keys


@pytest.mark.parametrize("script", STAGES)
def test_a_stage_hands_its_parameters_to_nobody(script):
    """But to its own functions; else `keys_read` could not tell what is read of them."""
    nodes = [*ast.walk(ast.parse(code_of(script)))]
    own = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    read = [node.value for node in nodes if isinstance(node, ast.Attribute)]
    for node in nodes:
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in own:
            read += node.args
    named = [node for node in nodes if isinstance(node, ast.Name) and node.id == "params"]
    stored = [node for node in named if isinstance(node.ctx, ast.Store)]
    assert [node.lineno for node in named if node not in [*read, *stored]] == []


def test_every_key_is_read_by_some_code():
    """Stages declare whole sections; an augmentation has the key's name."""
    files = [*(PROJECT / "roadshift").rglob("*.py"), *(PROJECT / "stages").glob("*.py")]
    code = "".join(
        f.read_text("utf-8") for f in files if f.name not in ("settings.py", "params.py")
    )

    def unread(schema, place):
        for name, field in schema.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, Settings):
                yield from unread(field.annotation, f"{place}{name}.")
            elif not re.search(rf"\.{name}\b|\bdef {name}\(|\bname=\"{name}\"", code):
                yield f"{place}{name}"

    assert [*unread(Params, "")] == []


@pytest.mark.parametrize("script", STAGES)
def test_every_key_a_stage_reads_is_declared_and_the_reverse(index, script):
    read = keys_read(script)
    for name, stage in by_name(index).items():
        if name.split("@")[0] != script:
            continue
        declared = declared_params(stage)
        item = name.partition("@")[2]
        read_here = {key.replace("*", item) for key in read}
        # A declared section covers its keys; a key read through a whole section is the section.
        undeclared = {
            k for k in read_here if not any(k == d or k.startswith(f"{d}.") for d in declared)
        }
        unread = {
            d for d in declared if not any(k == d or k.startswith(f"{d}.") for k in read_here)
        }
        assert (undeclared, unread) == (set(), set()), name
