import copy
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from roadshift.errors import RoadshiftError
from stages.params import Params, load_params

COMMITTED = Path(__file__).parents[2] / "params.yaml"
TREE = yaml.safe_load(COMMITTED.read_text("utf-8"))


def leaves(tree, path=()):
    if isinstance(tree, dict):
        yield path
        for key, value in tree.items():
            yield from leaves(value, (*path, key))
    else:
        yield path


paths = st.sampled_from([path for path in leaves(TREE) if path])
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.dates() | st.binary()
)
trees = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text() | st.integers() | st.sampled_from([*TREE]), inner, max_size=3)
    ),
    max_leaves=6,
)


def same_type(value):
    """Other values of a value's type, most of them in no range."""
    if isinstance(value, bool):
        return st.booleans()
    if isinstance(value, int):
        return st.integers(-2, 100) | st.integers()
    if isinstance(value, float):
        return st.floats(-0.5, 2) | st.floats()
    if isinstance(value, str):
        return st.text() | st.sampled_from(["camvid", "kitti", "unet", "none", "official", "group"])
    if isinstance(value, list):
        return st.lists(st.floats(0, 5), max_size=3)
    return st.dictionaries(st.text() | st.sampled_from([*value]), trees, max_size=3)


def at(tree, path):
    for key in path:
        tree = tree[key]
    return tree


def changed(changes):
    tree = copy.deepcopy(TREE)
    for path, value in changes:
        *sections, key = path
        place = tree
        for section in sections:
            place = place.get(section) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place[key] = value
    return tree


def load(content):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "params.yaml"
        file.write_bytes(content)
        return load_params(file)


def read_or_refused(content):
    try:
        return load(content)
    except RoadshiftError as error:
        message = str(error)
    assert "params.yaml: " in message
    assert message.isprintable()
    return None


def dumped(tree):
    return yaml.safe_dump(tree, allow_unicode=True).encode("utf-8", "surrogatepass")


typed = paths.flatmap(lambda path: st.tuples(st.just(path), same_type(at(TREE, path))))


@given(st.lists(typed, min_size=1, max_size=3))
def test_values_of_the_right_type_are_read_or_refused(changes):
    tree = changed(changes)
    params = read_or_refused(dumped(tree))
    if params is not None:
        found = params.model_dump()
        assert found == tree


@given(st.lists(st.tuples(paths, trees), min_size=1, max_size=3))
def test_any_value_is_read_or_refused(changes):
    read_or_refused(dumped(changed(changes)))


@given(trees)
def test_any_tree_is_refused(tree):
    assert read_or_refused(dumped(tree)) is None


@example(b"[]:")
@example(b"{a: 1}: 2")
@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_refused(content):
    assert read_or_refused(content) is None


# Of mixes there may be fewer.
STATED = [path for path in leaves(TREE) if path and path[0] != "mixes"]


@pytest.mark.parametrize("path", [*STATED, ("mixes",)], ids=".".join)
def test_no_key_can_be_left_out(path):
    tree = copy.deepcopy(TREE)
    del at(tree, path[:-1])[path[-1]]
    with pytest.raises(RoadshiftError, match=path[-1]):
        load(dumped(tree))


def test_the_tree_is_that_of_the_schema():
    assert {*TREE} == {*Params.model_fields}
