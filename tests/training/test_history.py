import subprocess

import pytest

from roadshift.errors import RoadshiftError
from roadshift.training.history import Epoch, History, Validation, open_live


def test_without_a_commit_the_error_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    subprocess.run(["git", "init", "--quiet"], check=True)
    subprocess.run(["dvc", "init", "--quiet"], check=True)
    with pytest.raises(RoadshiftError, match=r"Empty git repo.*git commit"):
        open_live(tmp_path / "curves")


def history(rule, *scores, error=0.0):
    epochs = [
        Epoch.validated(number, 1.0, 0.1, {"a": Validation(score, error)})
        for number, score in enumerate(scores, 1)
    ]
    return History(rule, epochs)


def test_the_last_epoch_is_selected_whatever_the_scores():
    found = history("last", 0.2, 0.6, 0.5)
    assert (found.selected.number, found.best.number) == (3, 2)
    content = found.as_json()
    assert content["rule"] == "last"
    assert (content["selected"]["number"], content["best"]) == (3, 2)
    assert content["below_best"] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("scores", "error", "number"),
    [
        ((0.2, 0.6, 0.5), 0.05, 2),
        ((0.2, 0.6, 0.5), 0.11, 3),
        ((0.2, 0.6, 0.58, 0.1), 0.05, 3),
        ((0.6, 0.6, 0.5), 0.0, 2),
        ((0.4,), 0.0, 1),
    ],
)
def test_the_last_epoch_within_one_standard_error_of_the_best_is_selected(scores, error, number):
    assert history("one_standard_error", *scores, error=error).selected.number == number


def test_an_epoch_has_the_error_of_the_mean_over_its_sources():
    found = {"a": Validation(0.4, 0.03), "b": Validation(0.6, 0.04)}
    epoch = Epoch.validated(1, 1.0, 0.1, found)
    assert epoch.selection_score == pytest.approx(0.5)
    assert epoch.standard_error == pytest.approx(0.025)
    assert epoch.val_miou == {"a": 0.4, "b": 0.6}
