"""Predicts pictures and videos, and writes what came out."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from roadshift.datasets.images import read_any_image
from roadshift.errors import RoadshiftError
from roadshift.outputs import whole_file, whole_folder
from roadshift.pictures.prediction import label_image, overlay, probability_image
from roadshift.prediction.inputs import Input
from roadshift.prediction.video import new_video, open_video
from roadshift.progress import progress_bar
from roadshift.scoring.inference import Segment
from roadshift.taxonomy import Taxonomy

OVERLAYS, LABELS, PROBABILITIES = "overlays", "labels", "probabilities"
"""The folders of outputs."""


@dataclass(frozen=True)
class Predictor:
    """A network with all that is to be made of its predictions.

    `labels/<name>.png` are grey ids of the taxonomy or Cityscapes' colours, at the picture's own
    size; `probabilities/<name>.png` are grey, white is 1; `overlays/<name>.png` are for people. A
    video gives an overlay `<name>.mp4` and folders `<name>/` with a label and a probability a
    frame, `000000.png` the first.
    """

    segment: Segment
    taxonomy: Taxonomy
    out: Path
    overlay: bool = True
    cityscapes: bool = False
    probabilities: bool = False

    def predict(self, given: Input) -> dict[str, Any]:
        """Predicts a picture or a video.

        Returns:
            The input's name; its width and height; of a video, its frames and how many it said it
            had; the outputs' paths; and classes, each class's share of the pixels, 0..1, rounded
            to 4 decimals.

        Raises:
            RoadshiftError: the input cannot be read or segmented. Nothing of it is written then.
        """
        return self._video(given) if given.is_video else self._picture(given)

    def _picture(self, given: Input) -> dict[str, Any]:
        image = read_any_image(given.file)
        prediction, probability = self._segment(given, image)
        made = {LABELS: label_image(prediction, self.taxonomy, self.cityscapes)}
        if self.overlay:
            made[OVERLAYS] = Image.fromarray(overlay(image, prediction, self.taxonomy))
        if self.probabilities:
            made[PROBABILITIES] = probability_image(probability)
        written = {}
        for folder, picture in made.items():
            file = self.out / folder / f"{given.name}.png"
            with whole_file(file) as partial:
                picture.save(partial, "PNG")
            written[folder] = str(file)
        pixels = np.bincount(prediction.ravel(), minlength=256)
        return self._account(given, prediction.shape, written, pixels)

    def _video(self, given: Input) -> dict[str, Any]:
        written, pixels = {}, np.zeros(256, np.int64)
        wanted = [LABELS] + [PROBABILITIES] * self.probabilities
        with ExitStack() as stack:
            video = stack.enter_context(open_video(given.file))
            progress = stack.enter_context(progress_bar(given.file.name, "frame", video.frames))
            folders = {}
            for kind in wanted:
                final = self.out / kind / given.name
                folders[kind] = stack.enter_context(whole_folder(final))
                written[kind] = str(final)
            if self.overlay:
                final = self.out / OVERLAYS / f"{given.name}.mp4"
                partial = stack.enter_context(whole_file(final))
                writer = stack.enter_context(new_video(partial, video.rate))
                written[OVERLAYS] = str(final)
            for number, image in enumerate(video):
                prediction, probability = self._segment(given, image)
                name = f"{number:06}.png"
                label = label_image(prediction, self.taxonomy, self.cityscapes)
                label.save(folders[LABELS] / name)
                if self.probabilities:
                    probability_image(probability).save(folders[PROBABILITIES] / name)
                if self.overlay:
                    writer.write(overlay(image, prediction, self.taxonomy, shares=False))
                pixels += np.bincount(prediction.ravel(), minlength=256)
                progress.update()
        account = self._account(given, prediction.shape, written, pixels)
        return account | {"frames": number + 1, "frames_expected": video.frames or number + 1}

    def _segment(self, given: Input, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        try:
            return self.segment(image)
        except RoadshiftError as error:
            raise RoadshiftError(f"{given.file}: {error}") from None

    def _account(
        self, given: Input, shape: tuple[int, ...], written: dict[str, str], pixels: np.ndarray
    ) -> dict[str, Any]:
        shares = (pixels / pixels.sum()).round(4).tolist()
        return {
            "input": str(given.file),
            "width": shape[1],
            "height": shape[0],
            **written,
            "classes": dict(zip(self.taxonomy.class_names, shares, strict=False)),
        }
