import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from roadshift.datasets.encoding import Encoding
from roadshift.datasets.native_label import PixelReader
from roadshift.datasets.remap import Remapper
from roadshift.errors import RoadshiftError
from roadshift.taxonomy import IGNORE_ID, load_taxonomy, taxonomy_names, universal_names

KINDS = ("grey", "grey16", "red", "red16", "colour")
LABELS = {
    "L": (np.uint8, ()),
    "I;16": (np.uint16, ()),
    "RGB": (np.uint8, (3,)),
    "RGBA": (np.uint8, (4,)),
}


def encodings(kinds=KINDS):
    """Any table, with values near each other so that labels hit some."""

    def of(kind):
        channel = st.integers(0, 255) | st.integers(0, 3)
        top = 65535 if kind.endswith("16") else 255
        value = st.tuples(*[channel] * 3) if kind == "colour" else st.tuples(st.integers(0, top))
        table = st.dictionaries(value, st.sampled_from([*universal_names()]), min_size=1)
        return table.map(
            lambda rows: Encoding(
                kind=kind, values=[(*key, name) for key, name in rows.items()], source="any"
            )
        )

    return st.sampled_from(kinds).flatmap(of)


def label_arrays(mode):
    dtype, channels = LABELS[mode]
    shapes = array_shapes(min_dims=2, max_dims=2, max_side=6).map(lambda shape: shape + channels)
    values = st.integers(0, 3) | st.integers(0, 255 if mode != "I;16" else 65535)
    return arrays(dtype, shapes, elements=values)


taxonomies = st.sampled_from(taxonomy_names()).map(load_taxonomy)
modes = st.sampled_from([*LABELS])


def native_value(pixel, kind):
    """A pixel's row of the table, as it stands there."""
    channels = np.atleast_1d(pixel).tolist()[:3]
    if kind == "grey":
        assert len({*channels}) == 1
    return tuple(channels if kind == "colour" else channels[:1])


@given(modes.flatmap(label_arrays), encodings(), taxonomies)
def test_a_label_is_remapped_by_its_table_or_refused(label, encoding, taxonomy):
    try:
        reader = PixelReader(encoding)
        remapper = Remapper.of(encoding, taxonomy, reader=reader)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "label.png"
            Image.fromarray(label).save(file)
            found = reader.read(Path(folder), "image.png", "label.png")
        ids = remapper.class_id[remapper.checked(found, "label.png")]
    except RoadshiftError:
        return
    names = {tuple(row[:-1]): row[-1] for row in encoding.values}
    assert ids.shape == label.shape[:2]
    for place in np.ndindex(ids.shape):
        assert ids[place] == taxonomy.id_of(names[native_value(label[place], encoding.kind)])


@given(encodings(), taxonomies, st.integers(0, 2**32 - 1))
def test_every_value_of_the_table_is_remapped_wherever_it_stands(encoding, taxonomy, seed):
    reader = PixelReader(encoding)
    try:
        remapper = Remapper.of(encoding, taxonomy, reader=reader)
    except RoadshiftError:
        assert {*encoding.names} & {*taxonomy.too_coarse}
        return
    expected = [taxonomy.id_of(name) for name in encoding.names]
    order = np.random.default_rng(seed).permutation(len(expected))
    native = remapper.checked(reader.native(encoding.keys[order][np.newaxis]), "label")
    assert remapper.class_id[native][0].tolist() == [expected[place] for place in order]
    assert {*remapper.class_id.tolist()} <= {*range(len(taxonomy.classes)), IGNORE_ID}
