import tempfile
from dataclasses import replace
from pathlib import Path, PurePosixPath

from hypothesis import given
from hypothesis import strategies as st

from roadshift.datasets.samples import Sample, read_manifest, write_manifest
from roadshift.datasets.splits import SPLITS
from roadshift.errors import RoadshiftError

# Files of other names are refused before a manifest is written.
texts = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=" "))
paths = texts.filter(
    lambda p: PurePosixPath(p).parts and not p.startswith("/") and ".." not in p.split("/")
)
sizes = st.integers(0, 10**6)
samples = st.builds(
    Sample, texts.filter(bool), st.sampled_from(SPLITS), texts, paths, paths, sizes, sizes
)
HEADER = "id,split,group,image,label,width,height\n"


def read(content):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "manifest.csv"
        file.write_bytes(content)
        return read_manifest(file)


def written(rows):
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "manifest.csv"
        write_manifest(rows, file)
        return file.read_bytes()


@given(st.lists(samples, min_size=1, max_size=5, unique_by=lambda sample: sample.id))
def test_a_manifest_is_read_as_it_was_written(rows):
    assert read(written(rows)) == rows


def read_or_refused(content):
    try:
        return read(content)
    except RoadshiftError as error:
        message = str(error)
    assert message.isprintable()
    assert "manifest.csv" in message
    return None


@given(st.lists(st.lists(st.text(), max_size=9), max_size=4), st.sampled_from([",", '","']))
def test_any_text_in_a_row_is_read_or_refused(rows, separator):
    text = HEADER + "\n".join(separator.join(row) for row in rows)
    read_or_refused(text.encode("utf-8", "surrogatepass"))


@given(st.binary())
def test_any_bytes_are_read_or_refused(content):
    read_or_refused(content)
    read_or_refused(HEADER.encode() + content)


@given(samples, st.sampled_from(["id", "split", "group", "image", "label"]), texts)
def test_a_cell_changed_by_hand_is_read_as_it_is_or_refused(sample, key, value):
    found = read_or_refused(written([replace(sample, **{key: value})]))
    if found is not None:
        assert found == [replace(sample, **{key: value})]
