"""The arguments of one experiment."""

from pathlib import Path

import pytest

from ablation.experiment import experiment_command, leave_one_out_command
from ablation.variants import overridden
from roadshift.errors import RoadshiftError

PARAMS = Path(__file__).parents[2] / "params.yaml"
THIRD = ["+domains.c=kitti", "+data.split.by.c=random"]


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch):
    monkeypatch.chdir(PARAMS.parent)


def test_each_source_is_held_out_in_turn_whatever_their_number():
    command = leave_one_out_command([*THIRD, "seed=3"])
    assert command[:2] == ("exp", "run")
    assert {*command[2::2]} == {"-S"}
    params = overridden(PARAMS, command[3::2])
    assert params.seed == 3
    assert params.mixes == {
        "without_a": {"b": 1, "c": 1}, "without_b": {"a": 1, "c": 1},
        "without_c": {"a": 1, "b": 1},
    }  # fmt: skip
    some = overridden(PARAMS, leave_one_out_command(THIRD, ["c", "a"])[3::2])
    assert some.mixes == {"without_a": {"c": 1}, "without_c": {"a": 1}}
    assert "b" in some.domains
    two = overridden(PARAMS, leave_one_out_command([])[3::2])
    assert two.mixes == {"without_a": {"b": 1}, "without_b": {"a": 1}}


def test_the_arguments_need_no_quotes_in_a_shell_script():
    assert not [word for word in leave_one_out_command(THIRD) if " " in word]


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            ["~domains.b", "~data.split.by.b", "~mixes.b", "~mixes.ab"],
            "domains: no source but a, so none can be held out; add one, as in -S +domains.c=kitti",
        ),
        ([*THIRD, "train.batch_size=1"], "train.batch_size is 1, but 2 sources share a batch"),
        (["aug.brightnes=0.3"], "aug.brightnes: unknown key; did you mean 'brightness'?"),
    ],
)
def test_what_cannot_be_held_out_is_said_before_any_work(overrides, expected):
    with pytest.raises(RoadshiftError) as caught:
        leave_one_out_command(overrides)
    assert expected in str(caught.value)


@pytest.mark.parametrize("role", ["target", "d"])
def test_only_sources_are_held_out(role):
    with pytest.raises(RoadshiftError, match=f"'{role}' is no source; sources are a, b"):
        leave_one_out_command([], ["a", role])


def test_one_mix_alone():
    command = experiment_command(["seed=1"], "ab")
    assert command == (
        *("exp", "run", "-S", "seed=1", "-S", "~mixes.a", "-S", "~mixes.b"), "summarize",
    )  # fmt: skip
