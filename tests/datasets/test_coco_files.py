"""Which images COCO's files list: entries of two images, images in two files, and wildcards."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from roadshift.checking.whole_set import check_set
from roadshift.datasets.card import Card, load_card
from roadshift.datasets.pairing import pair_files
from roadshift.errors import RoadshiftError
from tests.datasets.test_coco import CARD, CONFIG, annotation, box, content, write


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "images").mkdir()
    for n, name in enumerate("ab"):
        noise = np.random.default_rng(n).integers(0, 256, (6, 8, 3))
        Image.fromarray(noise.astype(np.uint8)).save(tmp_path / f"images/{name}.png")
    return tmp_path


def test_a_file_without_an_annotation_is_refused(folder):
    write(folder, change=lambda found: found.update(annotations=[]))
    refuse_pairs(folder, "no image has an annotation in './result.json'")
    report = check_set(CARD, folder, split_config=CONFIG, processes=1)
    assert [each.kind for each in report.faults] == ["encoding", "no_label"]
    with pytest.raises(RoadshiftError, match=r"result\.json: no category has an annotation"):
        CARD.table_in(folder)


def refuse_pairs(folder, message, card=CARD):
    with pytest.raises(RoadshiftError, match=re.escape(message)) as caught:
        pair_files(card, folder, None)
    assert "\n" not in str(caught.value)


def of_two_folders(folder, *names, **layout):
    """`images/a.png` and `images/images/a.png`, listed under these names, and a card for them."""
    (folder / "images/images").mkdir(exist_ok=True)
    shutil.copyfile(folder / "images/a.png", folder / "images/images/a.png")
    (folder / "images/b.png").unlink(missing_ok=True)

    def change(found):
        entry = found["images"][0]
        found["images"] = [entry | {"id": n, "file_name": name} for n, name in enumerate(names)]
        found["annotations"] = [annotation(n, 1, box(0, 0, 8, 6), n) for n in range(len(names))]

    write(folder, change=change)
    pattern = {"image": "images/{id}.png", "label": "result.json", "id": ".+"}
    return Card.model_validate(CARD.model_dump() | {"layout": pattern | layout})


BOTH = ("images/a.png", "images/images/a.png")


def test_one_entry_of_two_images_is_refused(folder):
    card = of_two_folders(folder, *BOTH)
    assert len(pair_files(card, folder, None)) == 2
    card = of_two_folders(folder, "images/a.png")
    message = "'images/a.png' and 'images/images/a.png' both fit 'images/a.png' in 'result.json'"
    refuse_pairs(folder, message, card)
    report = check_set(card, folder, split_config=CONFIG, processes=1)
    assert [(each.kind, each.message) for each in report.faults] == [("twice", message)]


def test_an_image_in_two_files_is_told_as_such(folder):
    card = of_two_folders(folder, *BOTH, label="{split}.json")
    shutil.copyfile(folder / "result.json", folder / "more.json")
    message = "'images/a.png' has annotations in both 'more.json' and 'result.json'"
    with pytest.raises(RoadshiftError, match=re.escape(message)):
        pair_files(card, folder, None)
    report = check_set(card, folder, split_config=CONFIG, processes=1)
    assert [each.kind for each in report.faults] == ["twice", "twice"]


def test_a_damaged_file_of_labels_is_no_fault_of_the_encoding(folder):
    card = of_two_folders(folder, *BOTH, label="more/*.json", skip_unlabelled=True)
    (folder / "more").mkdir()
    (folder / "more/result.json").write_text("{", "utf-8")
    report = check_set(card, folder, split_config=CONFIG, processes=1)
    assert [each.kind for each in report.findings] == ["unreadable_label"]


def test_files_that_a_wildcard_names_are_told_as_they_are_there(folder):
    card = of_two_folders(folder, *BOTH[1:], label="*.json")
    refuse_pairs(folder, "'images/a.png' has no annotation in 'result.json' (1 such)", card)
    more = content() | {"images": [], "annotations": []}
    (folder / "more.json").write_text(json.dumps(more), "utf-8")
    refuse_pairs(folder, "'more.json' and 'result.json' both fit '*.json'; remove one", card)
    card = of_two_folders(folder, *BOTH[1:], label="{split}.json")
    refuse_pairs(folder, "has no annotation in 'more.json' or 'result.json' (1 such)", card)
    card = of_two_folders(folder, *BOTH, label="more/*.json")
    with pytest.raises(RoadshiftError, match=r"'images/a\.png' has no 'more/\*\.json' \(2 such\)"):
        pair_files(card, folder, None)


def test_a_table_that_a_wildcard_names_is_told_as_missing(tmp_path):
    expected = f"{tmp_path}: no file fits 'annotations/instances_*.json', which says what"
    with pytest.raises(RoadshiftError, match=re.escape(expected)):
        load_card("cvat_coco").table_in(tmp_path)
