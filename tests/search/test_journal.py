"""The journal of a search: what is next after interruptions, failures, and on several machines.

The runs are played: a score is a function of the parameters, so that a whole search takes a second.
"""

import re
from pathlib import Path

import pytest
import yaml

import search.journal
from roadshift.errors import RoadshiftError
from search.journal import Journal
from search.plan import Result, Run, candidates, ranked
from search.results import NO_IMPORTANCE, importance
from search.settings import load_search

PARAMS = Path(__file__).parents[2] / "params.yaml"
CODE = {"roadshift": "1"}
SEARCH = {
    "question": "which?",
    "mixes": ["a", "b"],
    "space": {
        "aug.hue": {"low": 0, "high": 0.5},
        "train.learning_rate": {"low": 0.0001, "high": 0.1, "log": True},
        "model.frozen_stages": {"choices": [0, 2, 4]},
    },
    "trials": 12,
    "startup": 4,
    "rungs": [{"overrides": ["train.epochs=2"], "keep": 4}, {"keep": 2}, {}],
    "seeds": [0, 1],
    "confirm": {"best": 2, "seeds": [10, 11, 12]},
}


@pytest.fixture(scope="module")
def known():
    """The searches by the content of their files, since their checks take a second."""
    return {}


@pytest.fixture
def opened(tmp_path, known):
    """(machine, changed keys) -> a journal, as a process of its own would open it."""

    def journal(machine="one", place="journal.log", code=CODE, **changes):
        content = yaml.safe_dump({**SEARCH, **changes}, sort_keys=False)
        if content not in known:
            file = tmp_path / "mine.yaml"
            file.write_text(content, "utf-8")
            known[content] = load_search(file, PARAMS)
        return Journal(known[content], file=tmp_path / place, machine=machine, code=code)

    return journal


def played(run, state):
    values = {"aug.hue": 0.1} if run.trial is None else state.params[run.trial]
    score = 0.5 - (values["aug.hue"] - 0.2) ** 2 + 0.01 * run.rung + 0.001 * (run.seed or 0)
    return Result({"a": score, "b": score + 0.1}, minutes=1.0)


def play(journal, most=1000):
    """Plays up to some runs; returns them."""
    runs: list[str] = []
    while len(runs) < most:
        step, state = journal.next()
        if not isinstance(step, Run):
            assert step == "done"
            break
        runs.append(step.name)
        journal.record(step, played(step, state))
    return runs


def test_the_rungs_halve_the_candidates_and_the_best_are_confirmed(opened):
    journal = opened()
    runs = play(journal)
    state = journal.state()
    assert runs[:12] == [f"t{trial:03}-r1" for trial in range(12)]
    four = candidates(journal.search, state, 1)
    assert {*runs[12:16]} == {f"t{trial:03}-r2" for trial in four}
    by_hue = sorted(range(12), key=lambda trial: abs(state.params[trial]["aug.hue"] - 0.2))
    assert four == by_hue[:4]
    two = by_hue[:2]
    assert runs[16:20] == [f"t{trial:03}-r3-s{seed}" for trial in two for seed in (0, 1)]
    assert runs[20:] == [
        f"{name}-confirm-s{seed}"
        for seed in (10, 11, 12)
        for name in ("base", *(f"t{trial:03}" for trial in two))
    ]
    assert ranked(journal.search, state, 2) == two


@pytest.mark.parametrize("at", [1, 6, 13, 18, 22])
def test_a_search_that_is_killed_asks_the_same_as_an_uncut_one(opened, at):
    uncut = opened(place="uncut.log")
    expected = play(uncut)
    cut = opened()
    before = play(cut, at)
    # A run is claimed, and the process killed at it; then once more, before its first line.
    claimed, _ = cut.next()
    again = opened()
    step, _ = again.next()
    assert step == claimed
    after = play(opened())
    assert before + after == expected
    assert opened().state() == uncut.state()


def test_the_first_candidate_is_the_base_and_is_confirmed_once(opened):
    # Of a hue of 0 and of 0.06, which params.yaml has, the base's is the better one.
    space = {"aug.hue": {"choices": [0.0, 0.06]}}
    journal = opened(space=space, trials=6, rungs=[{}], confirm={"best": 1, "seeds": [10]})
    runs = play(journal)
    first, *others = journal.state().params
    assert first == journal.search.base == {"aug.hue": 0.06}
    worse = others.index({"aug.hue": 0.0}) + 1
    assert ranked(journal.search, journal.state(), 0)[0] == 0
    assert runs[-2:] == ["base-confirm-s10", f"t{worse:03}-confirm-s10"]


def test_startup_counts_the_draws_and_not_the_base(opened):
    one, many = opened(startup=1), opened(place="many.log", startup=8)
    play(one, 3), play(many, 3)
    drawn, sampled = (journal.state().params for journal in (many, one))
    assert sampled[:2] == drawn[:2]
    assert sampled[2] != drawn[2]


def test_a_journal_of_another_base_is_refused(opened):
    journal = opened()
    play(journal, 1)
    earlier = journal.study.user_attrs["search"]
    journal.study.set_user_attr("search", {**earlier, "base": None})
    with pytest.raises(RoadshiftError, match="the journal of a search with another 'base'"):
        opened()


def test_a_space_without_the_base_begins_with_a_draw(opened):
    journal = opened(space={"aug.hue": {"low": 0.1, "high": 0.5}})
    play(journal, 1)
    assert journal.search.base is None
    same = opened(place="twice.log", space={"aug.hue": {"low": 0.1, "high": 0.5}}, seed=1)
    play(same, 1)
    assert journal.state().params != same.state().params  # drawn, by the seed


def test_another_seed_asks_for_other_candidates(opened):
    first, other = opened(), opened(place="other.log", seed=1)
    play(first), play(other)
    assert first.state().params != other.state().params


def test_the_sampler_learns_from_earlier_trials(opened):
    journal = opened(trials=40, space={"aug.hue": {"low": 0, "high": 0.5}})
    play(journal, 40)
    far = [abs(params["aug.hue"] - 0.2) for params in journal.state().params]
    at_random = (0.2**2 + 0.3**2) / 2 / 0.5  # the mean distance of a uniform draw
    assert sum(far[20:]) / 20 < 0.7 * at_random


def test_the_parameter_that_decides_is_the_most_important_one(opened):
    journal = opened(trials=40)
    play(journal, 40)
    rows = re.findall(r"\| `([\w.]+)` \| (\d\.\d\d) \|", importance(journal.study))
    assert rows[0][0] == "aug.hue"
    assert len(rows) == 3
    assert float(rows[0][1]) > 2 * float(rows[1][1])
    assert importance(opened(place="empty.log").study) == NO_IMPORTANCE


def test_more_trials_go_on_from_those_that_there_are(opened):
    play(opened())
    few = opened().state().params
    more = opened(trials=16)
    runs = play(more)
    assert runs[:4] == [f"t{trial:03}-r1" for trial in range(12, 16)]
    assert more.state().params[:12] == few


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"seed": 4}, "seed"),
        ({"space": {"aug.hue": {"low": 0, "high": 0.4}}}, "space"),
        ({"overrides": ["aug.flip=0.5"]}, "overrides"),
        ({"code": {"roadshift": "2"}}, "roadshift"),
    ],
)
def test_a_journal_of_another_search_is_refused(opened, tmp_path, changes, key):
    play(opened(), 2)
    with pytest.raises(RoadshiftError) as raised:
        opened(**changes)
    assert str(raised.value) == (
        f"{tmp_path / 'journal.log'}: the journal of a search with another '{key}'; go back to "
        "that, or delete the journal to begin anew"
    )


def test_what_is_no_journal_is_refused(opened, tmp_path):
    (tmp_path / "journal.log").write_text("a note\nanother\n", "utf-8")
    with pytest.raises(RoadshiftError, match="not the journal of a search"):
        opened()


def test_a_line_that_a_killed_process_has_torn_is_left_out(opened, tmp_path):
    expected = play(opened(place="uncut.log"))
    file = tmp_path / "journal.log"
    done = play(opened(), 5)
    whole = file.read_bytes()
    file.write_bytes(whole[:-7])  # a part of the line that ends the last trial
    journal = opened()
    # The result is there, so the trial is ended again, and not run again.
    assert done + play(journal) == expected


def test_a_candidate_that_fails_is_out_and_counts_as_a_trial(opened):
    journal = opened()
    step, _ = journal.next()
    journal.record(step, Result({}, error="nan"))
    runs = play(journal)
    assert "t000-r1" not in runs
    assert "t011-r1" in runs
    assert "t012-r1" not in runs
    assert 0 not in candidates(journal.search, journal.state(), 1)
    states = [trial.state.name for trial in journal.study.trials]
    assert states == ["FAIL"] + 11 * ["COMPLETE"]


def test_two_machines_share_the_runs_and_wait_for_each_other(opened):
    one, two = opened("one"), opened("two")
    first, _ = one.next()
    assert first.name == "t000-r1"
    for number in range(1, 12):
        step, state = two.next()
        assert step.name == f"t{number:03}-r1"
        two.record(step, played(step, state))
    # The second rung begins once the first is complete.
    assert two.next()[0] == "wait"
    one.record(first, played(first, state))
    runs = [journal.next()[0] for journal in (one, two)]
    assert [run.rung for run in runs] == [1, 1]
    assert runs[0] != runs[1]


def test_a_run_of_a_machine_that_shows_no_sign_of_life_is_taken_over(opened, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(search.journal.time, "monotonic", lambda: now[0])
    short = {"trials": 1, "rungs": [{}], "confirm": {"best": 1}}
    one, two = opened("one", **short), opened("two", **short)
    lost, _ = one.next()
    assert two.next()[0].name == "t000-r1-s1"
    with one.alive():
        pass
    for minutes, expected in ((0, "t000-r1-s1"), (9, "t000-r1-s1"), (11, lost.name)):
        now[0] = 60.0 * minutes
        assert two.next()[0].name == expected
    # It lives after all: what it did counts once.
    step, state = two.next()
    two.record(step, played(step, state))
    one.record(lost, played(lost, state))
    assert len(two.state().results) == 1
