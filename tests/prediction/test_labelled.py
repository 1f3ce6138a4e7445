import numpy as np
import pytest

from roadshift.datasets.card import load_card
from roadshift.errors import RoadshiftError
from roadshift.prediction.labelled import LabelledFolder
from roadshift.taxonomy import load_taxonomy

TAXONOMY = load_taxonomy("driving11")


@pytest.fixture
def labelled(tmp_path, save_image):
    """(numbers of samples with an unknown colour) -> the labelled images of a folder of five."""

    def write(unknown):
        for number in range(5):
            colour = (1, 2, 3) if number in unknown else TAXONOMY.palette[0]
            name = f"{number:06}_10.png"
            save_image(tmp_path / "training/image_2" / name, np.zeros((4, 6, 3)))
            save_image(
                tmp_path / "training/semantic_rgb" / name, np.full((4, 6, 3), colour, np.uint8)
            )
        return LabelledFolder(load_card("kitti"), tmp_path, TAXONOMY)

    return write


def test_all_samples_that_cannot_be_scored_are_named(labelled):
    found = iter(labelled({1, 3}))
    assert next(found).id.endswith("000000_10.png")
    with pytest.raises(RoadshiftError) as refused:
        next(found)
    first, *further = str(refused.value).splitlines()
    assert first == "kitti: 2 of 5 samples cannot be scored; correct their files"
    assert [line.split(":")[0][-13:] for line in further] == ["000001_10.png", "000003_10.png"]


def test_a_single_one_is_a_single_line(labelled):
    with pytest.raises(RoadshiftError, match=r"^\S*000004_10\.png: colours unknown") as refused:
        list(labelled({4}))
    assert "\n" not in str(refused.value)
