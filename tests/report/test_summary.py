from roadshift.report import summary
from roadshift.scoring.bootstrap import Difference
from tests.results import domain_scores

SOURCES = {"a": ["a"], "ab": ["a", "b"]}


def test_the_cells_lie_between_the_lowest_and_the_highest():
    scores = {
        "a": {"a": domain_scores(0.6), "target": domain_scores(0.2)},
        "ab": {"a": domain_scores(0.5), "target": domain_scores(None)},
    }
    assert summary.cells_sentence(scores, SOURCES) == (
        "The mIoU of the 3 cells lies between 20.0 %, which the network trained on **a** has on "
        "**target**, and 60.0 %, which the network trained on **a** has on **a**."
    )
    nothing = {"a": {"a": domain_scores(None)}}
    assert "no labelled pixel" in summary.cells_sentence(nothing, SOURCES)


def test_the_drops_in_one_sentence():
    drops = {"a": Difference(0.4, 0.3, 0.5), "ab": Difference(-0.01, None, None)}
    assert summary.drops_sentence(drops, SOURCES, "target") == (
        "The drop from a network's own domains to the target is +40.0 points for the network "
        "trained on **a** and −1.0 points for the network trained on **a** and **b**."
    )
    unknown = {"a": Difference(None, None, None)}
    assert "is not known" in summary.drops_sentence(unknown, SOURCES, "target")


def test_what_the_epochs_were_chosen_on():
    assert summary.chosen_sentence({"a": 9, "ab": 10}, SOURCES) == (
        "Epoch 9 of the network trained on **a** and epoch 10 of the network trained on **a** and "
        "**b** had the highest mean mIoU on validation images of its own sources. Test images "
        "choose nothing in the workflow."
    )
