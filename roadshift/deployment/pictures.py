"""The pictures of shards that an export is calibrated and checked on."""

from collections.abc import Iterator, Mapping

import numpy as np

from roadshift.deployment.formats import Size
from roadshift.errors import RoadshiftError
from roadshift.progress import progress_bar
from roadshift.records.reader import Example, ShardSet, examples
from roadshift.scoring.inference import fit_picture
from roadshift.taxonomy import Taxonomy

CALIBRATED_ON = ("train", "val")
"""The splits whose pictures may shape an export: what is to be scored must not."""
CHECKED_ON = ("test", "val", "train")


class ShardPictures:
    """Pictures at equal distances in the order of a split, since neighbours are of one drive."""

    def __init__(
        self,
        sets: Mapping[str, ShardSet],
        taxonomy: Taxonomy,
        max_height: int,
        checked: int,
        calibrated: int,
    ) -> None:
        """Chooses splits.

        Args:
            sets: by split, the shards that have pictures of it; at least one.
            taxonomy: the network's.
            max_height: taller pictures are scaled down to it; 0 for none.
            checked: how many pictures to check an export on.
            calibrated: how many to calibrate it with; 0 for none.

        Raises:
            RoadshiftError: the shards are of another taxonomy, or have no pictures that may be
                calibrated with.
        """
        for shards in sets.values():
            if (shards.taxonomy, shards.class_names) != (taxonomy.name, taxonomy.class_names):
                raise RoadshiftError(
                    f"{shards.folder}: labels in '{shards.taxonomy}', the network's taxonomy is "
                    f"'{taxonomy.name}'; give shards of that one"
                )
        self.checked_on = next(split for split in CHECKED_ON if split in sets)
        self.calibrated_on = next((split for split in CALIBRATED_ON if split in sets), None)
        if calibrated and not self.calibrated_on:
            raise RoadshiftError(
                f"{sets[self.checked_on].folder}: has only pictures to be scored on, which must "
                "not shape a network; give shards with training pictures"
            )
        self._sets, self._max_height = sets, max_height
        self._checked, self._calibrated = checked, calibrated

    def check(self, what: str) -> Iterator[Example]:
        """Pictures with labels to check on, under a progress bar of that name."""
        return self._spread(what, self.checked_on, self._checked)

    def calibration(self, size: Size) -> Iterator[np.ndarray]:
        """Pictures to calibrate with, float32 (1, *size, 3), their edges repeated up to it."""
        for fitted in self._fitted_for_calibration("calibrate"):
            missing = size[0] - fitted.shape[0], size[1] - fitted.shape[1]
            yield np.pad(fitted, ((0, missing[0]), (0, missing[1]), (0, 0)), "edge")[np.newaxis]

    def size(self) -> Size:
        """The least size that all these pictures fit into, multiples of the stride."""
        sizes = [self._fit(example.image).shape for example in self.check("measure")]
        sizes += [fitted.shape for fitted in self._fitted_for_calibration("measure")]
        return max(size[0] for size in sizes), max(size[1] for size in sizes)

    def _fitted_for_calibration(self, what: str) -> Iterator[np.ndarray]:
        if self.calibrated_on and self._calibrated:
            for example in self._spread(what, self.calibrated_on, self._calibrated):
                yield self._fit(example.image)

    def _fit(self, image: np.ndarray) -> np.ndarray:
        return fit_picture(image, self._max_height).numpy()

    def _spread(self, what: str, split: str, number: int) -> Iterator[Example]:
        shards = self._sets[split]
        count = shards.count(split)
        chosen = {int(place) for place in np.linspace(0, count - 1, min(number, count))}
        with progress_bar(f"{what} ({split})", "picture", len(chosen)) as progress:
            for example in examples(shards, split, chosen):
                yield example
                progress.update()
