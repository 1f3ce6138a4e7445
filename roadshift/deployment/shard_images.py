"""Chooses the images of shards that an export is calibrated and checked on."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from roadshift.deployment.formats import Size
from roadshift.errors import RoadshiftError
from roadshift.inference.resizing import resize_to_stride
from roadshift.progress import progress_bar
from roadshift.records.reader import Example, ShardSet, examples
from roadshift.taxonomy import IGNORE_ID, Taxonomy

CALIBRATION_SPLITS = ("train", "val")
"""Splits that may calibrate an export, in order of preference; test images must not."""
CHECK_SPLITS = ("test", "val", "train")
"""Splits that an export is checked on, in order of preference."""


class ShardImages:
    """Images at equal distances in the order of a split, since neighbours are from one drive.

    Attributes:
        check_split: split that exports are checked on.
        calibration_split: split that exports are calibrated on; None if there is none.
    """

    def __init__(
        self,
        sets: Mapping[str, ShardSet],
        taxonomy: Taxonomy,
        *,
        max_height: int,
        check_count: int,
        calibration_count: int,
    ) -> None:
        """Chooses the splits.

        Args:
            sets: shards of each split that has images; at least one.
            taxonomy: taxonomy of the network's classes.
            max_height: height limit of the images in pixels; 0 for none.
            check_count: number of images to check an export on.
            calibration_count: number of images to calibrate an export on; 0 for none.

        Raises:
            RoadshiftError: the shards are of another taxonomy, or have no images for calibration.
        """
        for shards in sets.values():
            if (shards.taxonomy, shards.class_names) != (taxonomy.name, taxonomy.class_names):
                raise RoadshiftError(
                    f"{shards.folder}: labels in '{shards.taxonomy}', the network's taxonomy is "
                    f"'{taxonomy.name}'; give shards in '{taxonomy.name}'"
                )
        self.check_split = next(split for split in CHECK_SPLITS if split in sets)
        self.calibration_split = next(
            (split for split in CALIBRATION_SPLITS if split in sets), None
        )
        if calibration_count and not self.calibration_split:
            raise RoadshiftError(
                f"{sets[self.check_split].folder}: holds only test images, which must not "
                "calibrate a network; give shards with training images"
            )
        self._sets, self._max_height = sets, max_height
        self._check_count, self._calibration_count = check_count, calibration_count

    def check_images(self, title: str) -> Iterator[Example]:
        """Yields the images to check on, with labels, and shows a progress bar of that title."""
        return self._spread(title, self.check_split, self._check_count)

    def calibration_images(self, size: Size) -> Iterator[np.ndarray]:
        """Yields the images to calibrate on, float32 (1, *size, 3), padded by repeating edges."""
        for fitted in self._fitted_for_calibration("calibrate"):
            missing = size[0] - fitted.shape[0], size[1] - fitted.shape[1]
            yield np.pad(fitted, ((0, missing[0]), (0, missing[1]), (0, 0)), "edge")[np.newaxis]

    def smallest_size(self) -> Size:
        """Returns the smallest size that all these images fit into, multiples of the stride."""
        sizes = [self._fit(example.image).shape for example in self.check_images("measure")]
        sizes += [fitted.shape for fitted in self._fitted_for_calibration("measure")]
        return max(size[0] for size in sizes), max(size[1] for size in sizes)

    def _fitted_for_calibration(self, title: str) -> Iterator[np.ndarray]:
        if self.calibration_split and self._calibration_count:
            for example in self._spread(title, self.calibration_split, self._calibration_count):
                yield self._fit(example.image)

    def _fit(self, image: np.ndarray) -> np.ndarray:
        return resize_to_stride(image, self._max_height).numpy()

    def _spread(self, title: str, split: str, number: int) -> Iterator[Example]:
        shards = self._sets[split]
        count = shards.count(split)
        chosen = {int(index) for index in np.linspace(0, count - 1, min(number, count))}
        with progress_bar(f"{title} ({split})", "image", len(chosen)) as progress:
            for example in examples(shards, split, chosen):
                # Two networks are compared class by class, so partial labels do not count.
                exact = example.label < len(shards.class_names)
                label = np.where(exact, example.label, IGNORE_ID).astype(np.uint8)
                yield replace(example, label=label)
                progress.update()
