"""A race by simulated scores: errors are held, seeds are saved."""

from collections import Counter
from typing import Any, cast

import numpy as np
import pytest

from ablation.race import Race, schedule
from ablation.variants import Run, VariantSettings
from roadshift.scoring.comparison import Variant, compare_variants
from roadshift.scoring.results import ImageMatrices
from roadshift.scoring.settings import EvaluateSettings
from stages.params import Params

SEEDS, IMAGES, PIXELS = 8, 12, 10_000
IDS = tuple(f"{number:02}" for number in range(IMAGES))
COLUMNS = {"a→b": 0.5, "b→a": 0.5}
SETTINGS = EvaluateSettings(bootstrap_samples=200)


class Simulation:
    """Variants whose IoU of one class is that of the image, of the seed and of the variant.

    Args:
        seed: seed of the draws.
        gains: gain in IoU of each variant beside the baseline.
        spread: standard deviation of the seeds.
    """

    def __init__(self, seed, gains, spread=0.01):
        self.gains = {"base": 0.0, **gains}
        self.ran: Counter[str] = Counter()
        generator = np.random.default_rng(seed)
        images = {column: generator.normal(0.5, 0.1, IMAGES) for column in COLUMNS}
        self.ious = {
            (name, column): images[column] + gain
            + generator.normal(0, spread, (SEEDS, 1)) + generator.normal(0, 0.02, (SEEDS, IMAGES))
            for name, gain in self.gains.items() for column in COLUMNS
        }  # fmt: skip
        self.settled: dict[str, Any] = {}
        self.race = Race(seeds=SEEDS, variants=len(gains), error=0.05, weights=COLUMNS, samples=200)

    def compared(self, name):
        seeds = range(self.ran[name])
        scores = {}
        for column in COLUMNS:
            hits = np.rint(PIXELS * self.ious[name, column].clip(0, 1)).astype(np.int64)
            matrices = np.zeros((SEEDS, IMAGES, 2, 2), np.int64)
            matrices[..., 0, 0], matrices[..., 0, 1] = hits, PIXELS - hits
            scores[column] = [ImageMatrices(IDS, matrices[seed]) for seed in seeds]
        return Variant(name=name, seeds=tuple(seeds), scores=scores)

    def run(self, broken=()):
        """Runs the race, in which some variants fail; returns its order."""
        order = []
        runs = [
            Run(f"{name}-s{seed}", VariantSettings(name=name, question="?"), (),
                params=cast("Params", None))
            for name in self.gains for seed in range(SEEDS)
        ]  # fmt: skip
        for run in schedule(
            runs,
            "base",
            race=lambda: self.race,
            compared=lambda name: None if name in broken else self.compared(name),
            settled=self.settled,
        ):
            self.ran[run.variant.name] += 1
            order.append(run.name)
        return order

    def verdicts(self):
        rows = compare_variants(
            [self.compared(name) for name in self.gains],
            "base", settings=SETTINGS, means={"held out": COLUMNS}, looks=self.race.looks,
        )  # fmt: skip
        return {row.variant.name: row.cells["held out"].verdict for row in rows}


def test_a_verdict_by_chance_is_as_rare_as_stated_and_seeds_are_saved():
    """Two recipes that differ in nothing, 400 times; every look is one more chance of an error."""
    wrong, seeds = 0, 0
    for number in range(400):
        race = Simulation(number, {"same": 0.0})
        race.run()
        wrong += race.verdicts()["same"] != "not told apart"
        seeds += race.ran["same"]
    assert wrong <= 0.05 * 400
    assert seeds <= 0.8 * SEEDS * 400


def test_a_real_difference_is_found_with_a_part_of_the_seeds():
    found, seeds = 0, 0
    for number in range(60):
        race = Simulation(number, {"gain": 0.04})
        race.run()
        found += race.verdicts()["gain"] == "better"
        seeds += race.ran["gain"]
    assert found >= 0.9 * 60
    assert seeds <= 0.7 * SEEDS * 60


def test_what_is_decided_keeps_its_verdict_and_the_others_go_on():
    """The seeds run in turn, the baseline first; it runs as long as any variant does."""
    race = Simulation(0, {"much": 0.2, "worse": -0.2, "some": 0.015})
    order = race.run()
    assert order[:8] == [
        f"{name}-s{seed}" for seed in (0, 1) for name in ("base", "much", "worse", "some")
    ]
    assert race.settled["much"] == race.settled["worse"] == ("decided", 3)
    assert race.ran["much"] == race.ran["worse"] == 3
    assert race.settled["some"] == ("decided", 5)
    assert race.ran["base"] == race.ran["some"] == 5
    verdicts = race.verdicts()
    assert {name: verdicts[name] for name in race.settled} == {
        "much": "better", "worse": "worse", "some": "better",
    }  # fmt: skip


def test_a_race_of_as_many_seeds_as_a_verdict_needs_has_one_look_and_stops_nothing():
    race = Simulation(0, {"much": 0.2})
    race.race = Race(seeds=3, variants=1, error=0.05, weights=COLUMNS, samples=200)
    assert race.race.looks == 1
    race.ran.update(base=3, much=3)
    assert race.race.settled(race.compared("base"), race.compared("much")) is None


def test_a_failed_variant_leaves_the_race_and_a_failed_baseline_ends_it():
    race = Simulation(1, {"broken": 0.0, "fine": 0.01})
    order = race.run(broken=["broken"])
    assert race.ran["broken"] == 3
    assert race.ran["fine"] > 3
    assert "broken" not in race.settled
    assert order[:3] == ["base-s0", "broken-s0", "fine-s0"]
    ended = Simulation(1, {"fine": 0.01})
    assert ended.run(broken=["base"]) == ["base-s0", "fine-s0"]


@pytest.mark.parametrize("looks", [1, 6])
def test_a_race_counts_a_p_value_once_a_look(looks):
    """And compares with the baseline by the same seeds, which another end would change."""
    race = Simulation(5, {"some": 0.0245})
    race.ran.update(base=8, some=4)
    rows = compare_variants(
        [race.compared("base"), race.compared("some")], "base",
        settings=SETTINGS, means={"held out": COLUMNS}, looks=looks,
    )  # fmt: skip
    cell = rows[1].cells["held out"]
    assert cell.difference is not None
    assert cell.miou is not None
    base = rows[0].cells["held out"].miou or 0.0
    whole = pytest.approx(cell.miou - base, abs=1e-9)
    assert (cell.difference.difference == whole) == (looks == 1)
    assert rows[0].variant.seeds == tuple(range(8))
