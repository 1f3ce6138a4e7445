"""`roadshift evaluate` on images without labels says what can be done with them."""

import json

import pytest
from click.testing import CliRunner

from roadshift.__main__ import COMMANDS, main
from roadshift.datasets.card import load_card


@pytest.fixture
def photos(tmp_path, save_image, draw_blocks):
    for number in range(3):
        save_image(tmp_path / f"photos/images/{number}.png", draw_blocks(number)[0])
    return tmp_path / "photos"


def evaluate(*arguments):
    return CliRunner().invoke(main, ["evaluate", *map(str, arguments)])


def test_a_card_without_labels_gets_advice_and_no_error(colour_network, photos):
    done = evaluate(colour_network, photos, "--card", "unlabelled")
    assert done.exit_code == 0
    head, *lines = done.stdout.splitlines()
    assert head == "unlabelled: 3 images without labels, so there is no score. With them:"
    for line, command in zip(lines, ("predict", "estimate", "pick"), strict=False):
        assert f"`roadshift {command} {colour_network} {photos}`" in line
        assert command in COMMANDS
    assert lines[-1].startswith("  at data/own, `dvc exp run ")
    assert "adapt.self_training.weight=1" in lines[-1]
    assert load_card("unlabelled").folder == "data/own"


def test_programs_get_a_score_of_null(colour_network, photos):
    done = evaluate(colour_network, photos, "--card", "unlabelled", "--json")
    found = json.loads(done.stdout)
    assert (found["images"], found["miou"], found["labels"]) == (3, None, "none")
    assert len(found["advice"]) == 3


@pytest.mark.parametrize("inner", ["images", "."])
def test_a_folder_of_bare_images_is_told_the_same_as_an_error(colour_network, photos, inner):
    done = evaluate(colour_network, photos / inner)
    assert done.exit_code == 1
    assert "3 images and no label, so there is no score; `roadshift predict" in done.stderr
    assert "`roadshift pick" in done.stderr
    assert done.stderr.count("\n") == 1


def test_labels_of_other_names_are_not_taken_for_images_without_labels(
    colour_network, photos, save_image
):
    """Labels are there: they lack their table, and then other names."""
    save_image(photos / "labels/0_label.png", [[0] * 96] * 64)
    done = evaluate(colour_network, photos)
    assert done.exit_code == 1
    assert "encoding.yaml: missing" in done.stderr
    (photos / "encoding.yaml").write_text("kind: grey\nsource: me\nvalues:\n  - [0, road]\n")
    done = evaluate(colour_network, photos)
    assert done.exit_code == 1
    assert "'images/0.png' has no 'labels/0.png' (4 such)" in done.stderr


def test_what_the_card_has_no_place_for_is_not_counted(colour_network, photos, save_image):
    save_image(photos / "thumbnails/0.png", [[0] * 96] * 64)
    assert "3 images and no label" in evaluate(colour_network, photos).stderr


def test_a_folder_with_a_label_too_few_is_told_so_as_before(colour_network, photos, save_image):
    save_image(photos / "labels/1.png", [[0] * 96] * 64)
    (photos / "encoding.yaml").write_text("kind: grey\nsource: me\nvalues:\n  - [0, road]\n")
    done = evaluate(colour_network, photos, "--split", "all")
    assert done.exit_code == 1
    assert "'images/0.png' has no 'labels/0.png' (2 such)" in done.stderr
