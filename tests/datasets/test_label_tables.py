"""CVAT's labelmap.txt, and the labels of its export 'Segmentation mask', in the card 'folder'."""

import numpy as np
import pytest
from PIL import Image

from roadshift.datasets.card import load_card
from roadshift.datasets.encoding import read_encoding
from roadshift.datasets.native_label import PixelReader
from roadshift.datasets.remap import Remapper
from roadshift.datasets.tool_tables import read_classes, read_labelmap
from roadshift.download.local_folder import copy_set
from roadshift.errors import RoadshiftError
from roadshift.taxonomy import load_taxonomy

EXPORT = """# label:color_rgb:parts:actions
background:0,0,0::
road:128,64,128::
Tree:107,142,35::
traffic light:250,170,30:pole,lamp:
"""


@pytest.fixture
def export(tmp_path):
    """A folder with one image, its label in the colours of the map, and the map."""
    folder = tmp_path / "own"
    for name in ("images", "labels"):
        (folder / name).mkdir(parents=True)
    label = np.zeros((4, 6), np.uint8)
    label[1], label[2], label[3, 0] = 1, 2, 3
    palette = Image.fromarray(label, "P")
    palette.putpalette([0, 0, 0, 128, 64, 128, 107, 142, 35, 250, 170, 30])
    palette.save(folder / "labels/one.png")
    Image.new("RGB", (6, 4)).save(folder / "images/one.jpg")
    (folder / "labelmap.txt").write_text(EXPORT, "utf-8")
    return folder


def test_an_export_is_read_as_it_is(export, capsys):
    table = read_labelmap(export / "labelmap.txt", export)
    assert table.kind == "colour"
    assert table.names == ("unlabelled", "road", "vegetation", "traffic_light")
    assert table.values[2] == (107, 142, 35, "vegetation")
    printed = capsys.readouterr().out
    assert "background as unlabelled, Tree as vegetation, traffic light as traffic_light" in printed


@pytest.mark.parametrize("mode", ["P", "RGB"])
def test_its_labels_are_remapped_by_their_colours(export, tmp_path, mode):
    file = export / "labels/one.png"
    with Image.open(file) as image:
        image.convert(mode).save(file)
    card, copy = load_card("folder"), tmp_path / "copy"
    copy.mkdir()
    copy_set(card, export, copy)
    assert (copy / "labelmap.txt").read_text("utf-8") == EXPORT
    taxonomy = load_taxonomy("driving11")
    table = card.table_in(copy)
    remapper = Remapper.of(table, taxonomy, reader=PixelReader(table))
    label = remapper.reader.read(copy, "images/one.png", "labels/one.png")
    ids = remapper.class_id[remapper.checked(label, "one")]
    named = {name: taxonomy.id_of(name) for name in ("road", "vegetation", "traffic_light")}
    assert (ids[0] == 255).all()
    assert (ids[1] == named["road"]).all()
    assert (ids[2] == named["vegetation"]).all()
    assert ids[3].tolist() == [named["traffic_light"]] + 5 * [255]


def test_the_cards_own_table_goes_before_it(export):
    (export / "encoding.yaml").write_text("kind: grey\nsource: me\nvalues: [[0, sky]]\n", "utf-8")
    assert load_card("folder").table_in(export).names == ("sky",)


@pytest.mark.parametrize("before", ["\ufeff", "\n\n", "# made by hand\n"])
def test_marks_blank_lines_comments_and_windows_ends_do_not_matter(export, before):
    text = before + EXPORT.replace("\n", "\r\n")
    (export / "labelmap.txt").write_bytes(text.encode())
    assert len(read_labelmap(export / "labelmap.txt", export).names) == 4


def test_all_faults_are_listed(export):
    (export / "labelmap.txt").write_text(EXPORT + "rocd:1,2,3::\nsky\nwater:1,2::\n", "utf-8")
    with pytest.raises(RoadshiftError) as error:
        read_labelmap(export / "labelmap.txt", export)
    lines = str(error.value).splitlines()
    assert "labelmap.txt: line 6: 'rocd' is not a universal name; did you mean 'road'?" in lines[0]
    assert lines[1] == "line 7: expected 'name:red,green,blue::', not 'sky'"
    assert lines[2].startswith("line 8: expected")


@pytest.mark.parametrize(
    ("line", "message"),
    [("bike:128,64,128::", "two rows have the value 128, 64, 128"), ("car:300,0,0::", "0..255")],
)
def test_colours_are_checked(export, line, message):
    (export / "labelmap.txt").write_text(f"{EXPORT}{line}\n", "utf-8")
    with pytest.raises(RoadshiftError, match=r"labelmap\.txt: ") as error:
        read_labelmap(export / "labelmap.txt", export)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("name", "read", "text"),
    [
        ("labelmap.txt", read_labelmap, ""),
        ("labelmap.txt", read_labelmap, "# label:color_rgb:parts:actions\n"),
        ("_classes.csv", read_classes, ""),
        ("_classes.csv", read_classes, "Pixel Value, Class\n"),
    ],
)
def test_an_empty_table_is_refused_on_one_line(tmp_path, name, read, text):
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(RoadshiftError, match=r"/.*: expected at least one row, found none$"):
        read(tmp_path / name, tmp_path)


def test_an_empty_table_of_a_user_is_refused_on_one_line(tmp_path):
    (tmp_path / "encoding.yaml").write_text("kind: grey\nsource: me\nvalues: []\n", "utf-8")
    with pytest.raises(RoadshiftError, match=r"encoding\.yaml: expected at least one row"):
        read_encoding(tmp_path / "encoding.yaml")
