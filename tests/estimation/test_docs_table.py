"""The table of docs/start/no-labels.md is what the workflow measured on its default."""

import re
from pathlib import Path

import numpy as np
import pytest

from roadshift.estimation.expected import MixExpectations
from roadshift.scoring.numbers import percent
from stages.params import load_params
from stages.paths import EXPECTED

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs/start/no-labels.md").read_text("utf-8")


STREETS = PROJECT / "docs/results/streets-expected"


@pytest.fixture
def cells():
    """By mix and role, whether the role is the mix's own, and the comparison."""
    if not (PROJECT / EXPECTED).is_dir():
        pytest.skip(f"{EXPECTED} is not there; `dvc repro` makes it")
    mixes = load_params(PROJECT / "params.yaml").mixes
    return [
        (mix, role, role in mixes[mix], domain)
        for mix in mixes
        for role, domain in MixExpectations.load(PROJECT / EXPECTED / f"{mix}.json").domains.items()
    ]


def test_the_rows_are_those_of_the_shifted_cells(cells):
    expected = [
        f"| {mix} | {role} | {percent(domain.expected.pixel_accuracy)} "
        f"| {percent(domain.pixel_accuracy)} |"
        for mix, role, own, domain in cells
        if not own
    ]
    assert re.findall(r"^\| \w+ \| \w+ \| [\d.]+ \| [\d.]+ \|$", PAGE, re.MULTILINE) == expected


def test_the_misses_are_told_as_they_are(cells):
    found = [
        (
            own,
            100 * abs(domain.expected.pixel_accuracy - domain.pixel_accuracy),
            100 * abs(domain.expected.miou - domain.miou),
            100 * (domain.expected.miou_upper_bound - domain.miou),
        )
        for _, _, own, domain in cells
    ]
    every = np.array(found)[:, 1:].mean(axis=0)
    shifted = np.array([row[1:] for row in found if not row[0]]).mean(axis=0)
    text = " ".join(PAGE.split())
    assert f"The mean miss is {shifted[0]:.1f} points, and {every[0]:.1f} over all nine" in text
    assert f"misses by {shifted[1]:.1f} points on these five, and by {every[1]:.1f}" in text
    assert f"the upper bound is {every[2]:.1f} points too high on average" in text
    # What the estimate is to hold.
    assert shifted[0] <= 2.5


def test_the_street_scenes_are_told_as_they_are():
    mixes = load_params(PROJECT / "params.yaml").mixes
    rows, shifted, every, mious = [], [], [], []
    for mix in mixes:
        runs = [MixExpectations.load(STREETS / f"{mix}-s{seed}.json").domains for seed in range(3)]
        for role, first in runs[0].items():
            found = [run[role] for run in runs]
            expected = np.array([domain.expected.pixel_accuracy for domain in found], float)
            true = np.array([domain.pixel_accuracy for domain in found], float)
            misses = np.abs(expected - true)
            every.append(misses.mean())
            if role in mixes[mix]:
                continue
            shifted.append(misses.mean())
            expected_miou = np.array([domain.expected.miou for domain in found], float)
            miou = np.array([domain.miou for domain in found], float)
            mious.append(np.abs(expected_miou - miou).mean())
            told = ", ".join(map(percent, misses))
            means = f"{percent(expected.mean())} | {percent(true.mean())}"
            rows.append(f"| {mix} | {role} = {first.data_set} | {means} | {told} |")
    quoted = re.search(r"<!-- expected: .*-->\n\n((?:\|.*\n)+)", PAGE)
    assert quoted
    assert quoted[1].splitlines()[2:] == rows
    text = " ".join(PAGE.split())
    told = (
        f"{100 * np.mean(shifted):.1f} points on these five cells, and {100 * np.mean(every):.1f}"
    )
    assert f"The mean miss is {told} over all nine" in text
    assert f"misses by {100 * np.mean(mious):.1f} points on the five" in text
    # What the estimate is to hold.
    assert 100 * np.mean(shifted) <= 2.5
