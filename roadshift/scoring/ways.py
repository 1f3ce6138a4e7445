"""The ways of scoring a network on a set: as it is, and adapted to the set's own pictures."""

from collections.abc import Callable
from functools import partial

import keras

from roadshift.records.reader import ShardSet, examples
from roadshift.scoring.adaptation import TentSegmenter, adapted_statistics
from roadshift.scoring.inference import PictureScores, Segment, Segmenter, score_pictures
from roadshift.scoring.settings import EvaluateSettings

PLAIN = "plain"
Way = Callable[[ShardSet], PictureScores]
"""From a set to the scores of its test pictures."""


def ways_of_scoring(
    network: keras.Model,
    max_height: int,
    how: EvaluateSettings,
    adabn: bool,
    tent_steps: int,
    tent_learning_rate: float,
) -> dict[str, Way]:
    """The ways that the parameters ask for.

    Args:
        network: pictures float32 (N, H, W, 3) in 0..255 to logits (N, H, W, classes).
        max_height: pixels; a taller picture is scaled down to it; 0 for no limit.
        how: flips, scales and bins of calibration.
        adabn: whether there is a way with the statistics of the set's pictures.
        tent_steps: of the way with steps on each picture; 0 for no such way.
        tent_learning_rate: of these steps.

    Returns:
        By name: `PLAIN` first, then `adabn` and `tent`. None changes the network for the others.
    """
    plain = Segmenter(network, max_height, how.flip, how.scales)

    def score(segment: Segment, shards: ShardSet) -> PictureScores:
        return score_pictures(segment, shards, "test", how.calibration_bins)

    def score_adabn(shards: ShardSet) -> PictureScores:
        unlabelled = (example.image for example in examples(shards, "test"))
        with adapted_statistics(network, unlabelled, max_height):
            return score(plain, shards)

    ways: dict[str, Way] = {PLAIN: partial(score, plain)}
    if adabn:
        ways["adabn"] = score_adabn
    if tent_steps:
        tent = TentSegmenter(
            network, max_height, tent_steps, tent_learning_rate, how.flip, how.scales
        )
        ways["tent"] = partial(score, tent)
    return ways
