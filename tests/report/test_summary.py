from roadshift.report import summary
from roadshift.scoring.estimate import Difference
from tests.results import domain_scores, transfer_scores

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
    def history(rule, number, below):
        return {"rule": rule, "selected": {"number": number}, "below_best": below}

    found = summary.chosen_sentence(
        {"a": history("last", 10, 0.0), "ab": history("last", 10, 0.004)}, SOURCES
    )
    assert found == (
        "No image chose the epoch, the last one was kept. By mean mIoU on validation images of a "
        "network's own sources, that is epoch 10 of the network trained on **a**, 0.0 points below "
        "its best; epoch 10 of the network trained on **a** and **b**, 0.4 points below its best. "
        "Test images choose nothing in the workflow."
    )
    by_error = summary.chosen_sentence({"a": history("one_standard_error", 8, 0.01)}, SOURCES)
    assert by_error.startswith(
        "The last epoch was kept that lies within one standard error of the best. By mean mIoU on"
    )


def test_what_a_run_asks_names_every_source_and_what_is_only_scored():
    assert summary.asked_sentence(
        ["a", "b", "target"], {"a": ["a"], "b": ["b"], "ab": ["a", "b"]}, "target"
    ) == (
        "**Asked:** 2 labelled data sets of street scenes, **a** and **b**, and a **target** whose "
        "images no training sees. How well does a network do on the target, and what raises its "
        "score there? 3 networks are trained, one on **a**, one on **b** and one on **a** and "
        "**b**; each is scored on all 3 domains."
    )
    five = summary.asked_sentence(
        ["a", "b", "c", "d", "target"], {"abc": ["a", "b", "c"]}, "target"
    )
    assert "3 labelled data sets of street scenes, **a**, **b** and **c**, and a **target**" in five
    assert "; **d** is only scored, too. How well" in five
    assert "1 network is trained, one on **a**, **b** and **c**; each is scored on all 5" in five


def test_networks_of_the_same_sources_have_rows_of_their_own():
    sources = {"ab": ["a", "b"], "more_a": ["a", "b"], "abc": ["a", "b", "c"]}
    assert summary.row_heads(sources) == {
        "ab": "a and b (ab)", "more_a": "a and b (more_a)", "abc": "a, b and c",
    }  # fmt: skip


def test_each_source_held_out_in_turn_has_one_mean():
    cells = {"a": domain_scores(0.6), "b": domain_scores(0.4), "c": domain_scores(0.2)}
    sources = {"without_a": ["b", "c"], "without_b": ["a", "c"], "without_c": ["a", "b"]}
    # The mean of the file is that of its held-out sources, and not of what is in `cells`.
    scores = {
        mix: transfer_scores(
            {role: cells[role] for role in "abc"}, sources[mix], held_out=cells[mix[-1]].miou
        )
        for mix in sources
    }
    said = summary.held_out_sentence(scores, sources)
    assert "the network trained on **b** and **c** has 60.0 % on **a**" in said
    assert said.endswith("Each source held out in turn: the mean mIoU on them is **40.0 %**.")
    some = {mix: sources[mix] for mix in ("without_a", "without_b")}
    assert "in turn" not in summary.held_out_sentence({mix: scores[mix] for mix in some}, some)
    alone = {"a": ["a"]}
    own = {"a": transfer_scores({"a": cells["a"]}, ["a"])}
    assert summary.held_out_sentence(own, alone) == summary.NOTHING_HELD_OUT
