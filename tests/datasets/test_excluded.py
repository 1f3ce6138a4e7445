"""The ids that a layout leaves out."""

import numpy as np
import pytest

from roadshift.checking.whole_set import check_set
from roadshift.datasets.card import load_card
from roadshift.datasets.pairing import pair_files
from roadshift.datasets.splits import SplitConfig, Splits
from roadshift.errors import RoadshiftError

CARD = load_card("folder")
CONFIG = SplitConfig(by="all_test", seed=0, val=0.1, test=0.3)


def card(*exclude, **updates):
    layout = CARD.layout.model_copy(update={"exclude": exclude})
    return CARD.model_copy(update={"layout": layout, **updates})


@pytest.fixture
def own(tmp_path, save_image):
    for name in "123":
        save_image(tmp_path / f"images/{name}.png", np.full((2, 3, 3), int(name)))
        save_image(tmp_path / f"labels/{name}.png", np.ones((2, 3)))
    (tmp_path / "encoding.yaml").write_text("kind: grey\nsource: me\nvalues:\n  - [1, road]\n")
    return tmp_path


def ids(card, folder, wanted=None):
    return [pair.id for pair in pair_files(card, folder, wanted)]


def test_an_excluded_image_is_left_out(own):
    assert ids(card("2"), own) == ["1", "3"]


def test_an_id_that_is_of_no_image_is_named(own):
    with pytest.raises(RoadshiftError) as caught:
        ids(card("2", "20", "images/3.png"), own)
    assert str(caught.value) == (
        "folder: layout.exclude: '20' is the id of no image (2 such); correct it, or delete it\n"
        "'images/3.png'"
    )
    report = check_set(card("20"), own, split_config=CONFIG, processes=1)
    faults = [(each.kind, each.message) for each in report.faults]
    assert faults == [("exclude", "'20' is the id of no image")]


def test_an_id_may_lie_in_a_part_of_the_set_that_is_not_there(own):
    assert ids(card("20", samples={"all": 4}), own) == ["1", "2", "3"]
    with pytest.raises(RoadshiftError, match="'20' is the id of no image"):
        ids(card("20", samples={"all": 3}), own)


def test_an_id_may_lie_in_a_split_that_is_not_read(own, save_image):
    layout = {"image": "{split}/{id}.png", "label": "{split}_labels/{id}.png", "exclude": ("9",)}
    for split, name in (("one", "1"), ("two", "9")):
        save_image(own / f"{split}/{name}.png", np.zeros((2, 3, 3)))
        save_image(own / f"{split}_labels/{name}.png", np.ones((2, 3)))
    content = CARD.model_dump(exclude={"layout", "splits"})
    splits = Splits(official={"one": "test"})
    of_splits = type(CARD).model_validate({**content, "layout": layout, "splits": splits})
    assert ids(of_splits, own, ("one",)) == ["1"]
