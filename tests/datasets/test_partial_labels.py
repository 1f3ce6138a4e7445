"""Labels too coarse for a taxonomy, remapped to partial labels."""

import numpy as np
import pytest

from roadshift.datasets.card import load_card
from roadshift.datasets.native_label import PixelReader
from roadshift.datasets.remap import Remapper
from roadshift.errors import RoadshiftError
from roadshift.taxonomy import load_taxonomy
from tests.datasets.test_remap import ALL_OF_CAMVID, CAMVID, audit, counts, label, remap


def test_names_that_straddle_classes_become_partial_labels_if_these_are_accepted(
    tmp_path, write_camvid
):
    raw = write_camvid(tmp_path / "raw", CAMVID)
    taxonomy = load_taxonomy("cityscapes19")
    folder = remap("camvid", raw, tmp_path / "out", taxonomy=taxonomy, partial_labels=True)
    names = taxonomy.label_names
    # Car and bicyclist of CamVid, each of them several classes; tree and sky are one.
    for value, name in [
        (5, "vegetation"), (8, "car or truck or bus"),
        (10, "rider or motorcycle or bicycle"), (0, "sky"),
    ]:  # fmt: skip
        (place,) = np.argwhere(value == ALL_OF_CAMVID).tolist()
        assert names[label(folder, "0001TP_000001")[place[0]][place[1]]] == name
    found = counts(folder, "train")
    assert found["vegetation", "vegetation"] == 1
    assert found["car or truck or bus", "motor_vehicle"] == 1 + 2
    assert found["sky", "sky"] == 1 + 4
    rows = [row for row in audit(folder) if row["class"] == "car or truck or bus"]
    assert {row["ignored_because"] for row in rows} == {""}


def test_where_they_are_not_accepted_the_message_names_the_key(tmp_path, write_camvid):
    raw = write_camvid(tmp_path / "raw", CAMVID)
    with pytest.raises(RoadshiftError, match=r"or another set, or set data\.partial_labels=true$"):
        remap("camvid", raw, tmp_path / "out", taxonomy=load_taxonomy("cityscapes19"))


def test_a_split_of_partial_labels_alone_counts(tmp_path, write_camvid):
    only_bicyclists = {**CAMVID, "val/0016E5_000001": np.full((3, 4), 10)}
    raw = write_camvid(tmp_path / "raw", only_bicyclists)
    taxonomy = load_taxonomy("cityscapes19")
    folder = remap("camvid", raw, tmp_path / "out", taxonomy=taxonomy, partial_labels=True)
    assert counts(folder, "val") == {("rider or motorcycle or bicycle", "two_wheeler"): 12}


def test_a_set_that_fits_is_remapped_to_the_same_bytes_where_partial_labels_are_accepted(
    tmp_path, write_camvid
):
    raw = write_camvid(tmp_path / "raw", CAMVID)
    one, other = (
        remap("camvid", raw, tmp_path / f"out-{accepted}", partial_labels=accepted)
        for accepted in (False, True)
    )
    files = [file.relative_to(one) for file in one.rglob("*") if file.is_file()]
    assert len(files) == 2 + len(CAMVID)
    for file in files:
        assert (one / file).read_bytes() == (other / file).read_bytes()


def test_a_fault_that_partial_labels_do_not_mend_names_no_key_for_them(tmp_path, write_camvid):
    raw = write_camvid(tmp_path / "raw", CAMVID)
    card = load_card("camvid")
    with pytest.raises(RoadshiftError) as caught:
        remap(card.model_copy(update={"encoding": "nuimages"}), raw, tmp_path / "out")
    assert "labels of nuimages lie in tables" in str(caught.value)
    assert "partial_labels" not in str(caught.value)


def test_every_refusal_of_coarse_labels_names_the_key():
    taxonomy, idd_lite = load_taxonomy("cityscapes19"), load_card("idd_lite").table
    refusals = [
        lambda: taxonomy.check_carries(["two_wheeler"]),
        lambda: taxonomy.id_of("two_wheeler"),
        lambda: Remapper.of(idd_lite, taxonomy, reader=PixelReader(idd_lite)),
    ]
    for refuse in refusals:
        with pytest.raises(RoadshiftError, match=r"another set, or set data\.partial_labels=true$"):
            refuse()
    with pytest.raises(RoadshiftError, match=r"another set, or give --partial-labels$"):
        taxonomy.check_carries(["two_wheeler"], accept="give --partial-labels")
