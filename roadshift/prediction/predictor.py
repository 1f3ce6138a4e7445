"""Predicts images and videos, and writes the results."""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from roadshift.atomic import atomic_file, atomic_folder
from roadshift.datasets.images import read_any_image
from roadshift.errors import RoadshiftError
from roadshift.inference.segmenter import Segment, Segmentation
from roadshift.pictures.prediction import label_image, overlay, probability_image
from roadshift.prediction.inputs import Input
from roadshift.prediction.video import new_video, open_video
from roadshift.progress import progress_bar
from roadshift.taxonomy import Taxonomy

OVERLAYS, LABELS, PROBABILITIES = "overlays", "labels", "probabilities"
"""Names of the folders of outputs."""


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """Predicts inputs with a network, and writes the outputs.

    `labels/<name>.png` holds grey ids of the taxonomy or Cityscapes' colours, at the image's own
    size; `probabilities/<name>.png` is grey, white is 1; `overlays/<name>.png` shows the classes'
    colours over the image. A video gives an overlay `<name>.mp4`, and folders `<name>/` with a
    label and a probability for each frame; the first is `000000.png`.

    Attributes:
        segment: function that segments an image.
        taxonomy: taxonomy of the network's classes.
        out: folder of the outputs.
        overlay: whether to write overlays.
        cityscapes: whether labels have Cityscapes' colours instead of ids.
        probabilities: whether to write probabilities.
    """

    segment: Segment
    taxonomy: Taxonomy
    out: Path
    overlay: bool = True
    cityscapes: bool = False
    probabilities: bool = False

    def predict(self, given: Input) -> dict[str, Any]:
        """Predicts an image or a video.

        Returns:
            Metadata: the input's path, width and height; the outputs' paths; each class's share of
            the pixels, 0..1, rounded to 4 decimals; and of a video the number of frames, read and
            stated.

        Raises:
            RoadshiftError: the input cannot be read or segmented. None of its outputs is written
                then.
        """
        return self._video(given) if given.is_video else self._image(given)

    def _image(self, given: Input) -> dict[str, Any]:
        image = read_any_image(given.file)
        found = self._segment(given, image)
        prediction = found.ids
        made = {LABELS: label_image(prediction, self.taxonomy, self.cityscapes)}
        if self.overlay:
            made[OVERLAYS] = Image.fromarray(overlay(image, prediction, self.taxonomy))
        if self.probabilities:
            made[PROBABILITIES] = probability_image(found.confidence)
        outputs = {}
        for folder, drawn in made.items():
            file = self.out / folder / f"{given.name}.png"
            with atomic_file(file) as partial:
                drawn.save(partial, "PNG")
            outputs[folder] = str(file)
        pixels = np.bincount(prediction.ravel(), minlength=256)
        return self._metadata(given, shape=prediction.shape, outputs=outputs, pixels=pixels)

    def _video(self, given: Input) -> dict[str, Any]:
        outputs, pixels = {}, np.zeros(256, np.int64)
        wanted = [LABELS] + [PROBABILITIES] * self.probabilities
        with ExitStack() as stack:
            video = stack.enter_context(open_video(given.file))
            progress = stack.enter_context(progress_bar(given.file.name, "frame", video.frames))
            folders = {}
            for kind in wanted:
                final = self.out / kind / given.name
                folders[kind] = stack.enter_context(atomic_folder(final))
                outputs[kind] = str(final)
            if self.overlay:
                final = self.out / OVERLAYS / f"{given.name}.mp4"
                partial = stack.enter_context(atomic_file(final))
                writer = stack.enter_context(new_video(partial, video.rate))
                outputs[OVERLAYS] = str(final)
            for number, image in enumerate(video):
                found = self._segment(given, image)
                prediction = found.ids
                name = f"{number:06}.png"
                label = label_image(prediction, self.taxonomy, self.cityscapes)
                label.save(folders[LABELS] / name)
                if self.probabilities:
                    probability_image(found.confidence).save(folders[PROBABILITIES] / name)
                if self.overlay:
                    writer.write(overlay(image, prediction, self.taxonomy, shares=False))
                pixels += np.bincount(prediction.ravel(), minlength=256)
                progress.update()
        metadata = self._metadata(given, shape=prediction.shape, outputs=outputs, pixels=pixels)
        return metadata | {"frames": number + 1, "frames_expected": video.frames or number + 1}

    def _segment(self, given: Input, image: np.ndarray) -> Segmentation:
        try:
            return self.segment(image)
        except RoadshiftError as error:
            raise RoadshiftError(f"{given.file}: {error}") from None

    def _metadata(
        self, given: Input, *, shape: tuple[int, ...], outputs: dict[str, str], pixels: np.ndarray
    ) -> dict[str, Any]:
        shares = (pixels / pixels.sum()).round(4).tolist()
        return {
            "input": str(given.file),
            "width": shape[1],
            "height": shape[0],
            **outputs,
            "classes": dict(zip(self.taxonomy.class_names, shares, strict=False)),
        }
