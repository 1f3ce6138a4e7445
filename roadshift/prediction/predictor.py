"""Predicts images and videos, and writes the results."""

import errno
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from roadshift.atomic import atomic_file, atomic_folder
from roadshift.datasets.images import read_any_image
from roadshift.errors import RoadshiftError
from roadshift.inference.tiles import Part
from roadshift.pictures.prediction import grey_levels, id_counts, label_image, overlay
from roadshift.prediction.inputs import Input
from roadshift.prediction.log import PredictionLog
from roadshift.prediction.video import Frame, new_video, open_video
from roadshift.progress import progress_bar
from roadshift.taxonomy import Taxonomy

OVERLAYS, LABELS, PROBABILITIES = "overlays", "labels", "probabilities"
"""Names of the folders of outputs."""


class _Segmented(NamedTuple):
    """A segmented image.

    Attributes:
        ids: class ids, uint8 (H, W).
        grey: probabilities of the chosen classes as grey, uint8 (H, W), if they are wanted.
        confidence: mean of these probabilities, 0..1.
    """

    ids: np.ndarray
    grey: np.ndarray | None
    confidence: float


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """Predicts inputs with a network, and writes the outputs.

    `labels/<name>.png` holds grey ids of the taxonomy or Cityscapes' colours, at the image's own
    size; `probabilities/<name>.png` is grey, white is 1; `overlays/<name>.png` shows the classes'
    colours over the image. A video gives an overlay `<name>.mp4`, and folders `<name>/` with a
    label and a probability for each frame; the first is `000000.png`.

    Attributes:
        segment: function that segments an image, uint8 RGB (H, W, 3), and yields its parts.
        taxonomy: taxonomy of the network's classes.
        out: folder of the outputs.
        overlay: whether to write overlays.
        cityscapes: whether labels have Cityscapes' colours instead of ids.
        probabilities: whether to write probabilities.
    """

    segment: Callable[[np.ndarray], Iterable[Part]]
    taxonomy: Taxonomy
    out: Path
    overlay: bool = True
    cityscapes: bool = False
    probabilities: bool = False

    def predict(self, given: Input) -> dict[str, Any]:
        """Predicts an image or a video.

        Returns:
            Metadata: the input's path, width and height; the outputs' paths; each class's share of
            the pixels and the mean probability of the chosen class, 0..1, rounded to 4 decimals;
            and of a video the number of frames, read and stated, and the time and the mean
            probability of each frame; times are in seconds.

        Raises:
            RoadshiftError: the input cannot be read or segmented. None of its outputs is written
                then.
        """
        return self._video(given) if given.is_video else self._image(given)

    def _image(self, given: Input) -> dict[str, Any]:
        image = read_any_image(given.file)
        ids, grey, confidence = self._segmented(given, image)
        # One after the other, so that a single one is in memory.
        draw: dict[str, Callable[[], Image.Image]] = {
            LABELS: lambda: label_image(ids, self.taxonomy, self.cityscapes)
        }
        if self.overlay:
            draw[OVERLAYS] = lambda: overlay(image, ids, self.taxonomy)
        if grey is not None:
            draw[PROBABILITIES] = lambda: Image.fromarray(grey)
        outputs = {}
        with ExitStack() as stack:
            for folder, drawn in draw.items():
                file = self.out / folder / f"{given.name}.png"
                drawn().save(stack.enter_context(atomic_file(file)), "PNG")
                outputs[folder] = str(file)
        pixels = id_counts(ids)
        return self._metadata(
            given, shape=ids.shape, outputs=outputs, pixels=pixels, confidence=confidence
        )

    def _video(self, given: Input) -> dict[str, Any]:
        outputs, pixels = {}, np.zeros(256, np.int64)
        times: list[float] = []
        confidences: list[float] = []
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
                writer = stack.enter_context(new_video(partial, video.rate, video.time_base))
                outputs[OVERLAYS] = str(final)
            for number, frame in enumerate(video):
                ids, grey, confidence = self._segmented(given, frame.image)
                name = f"{number:06}.png"
                label_image(ids, self.taxonomy, self.cityscapes).save(folders[LABELS] / name)
                if grey is not None:
                    Image.fromarray(grey).save(folders[PROBABILITIES] / name)
                if self.overlay:
                    drawn = overlay(frame.image, ids, self.taxonomy, shares=False)
                    writer.write(Frame(np.asarray(drawn), frame.time))
                pixels += id_counts(ids)
                times.append(round(float(frame.time), 6))
                confidences.append(confidence)
                progress.update()
        frames = len(times)
        metadata = self._metadata(
            given,
            shape=ids.shape,
            outputs=outputs,
            pixels=pixels,
            confidence=sum(confidences) / frames,
        )
        return metadata | {
            "frames": frames,
            "frames_expected": video.frames or frames,
            "times": times,
            "confidences": [round(confidence, 4) for confidence in confidences],
        }

    def _segmented(self, given: Input, image: np.ndarray) -> _Segmented:
        """Segments an image of an input."""
        ids = np.empty(image.shape[:2], np.uint8)
        grey = np.empty_like(ids) if self.probabilities else None
        total = 0.0
        try:
            for part in self.segment(image):
                ids[part.rows, part.columns] = part.ids
                if grey is not None:
                    grey[part.rows, part.columns] = grey_levels(part.confidence)
                total += float(part.confidence.sum(dtype=np.float64))
        except RoadshiftError as error:
            raise RoadshiftError(f"{given.file}: {error}") from None
        return _Segmented(ids, grey, total / ids.size)

    def _metadata(
        self,
        given: Input,
        *,
        shape: tuple[int, ...],
        outputs: dict[str, str],
        pixels: np.ndarray,
        confidence: float,
    ) -> dict[str, Any]:
        shares = (pixels / pixels.sum()).round(4).tolist()
        return {
            "input": str(given.file),
            "width": shape[1],
            "height": shape[0],
            **outputs,
            "confidence": round(confidence, 4),
            "classes": dict(zip(self.taxonomy.class_names, shares, strict=False)),
        }


def predict_all(inputs: Sequence[Input], predictor: Predictor, log: PredictionLog) -> None:
    """Predicts inputs, and keeps the log up to date; one that fails does not keep the others.

    Args:
        inputs: inputs to predict.
        predictor: predictor of each.
        log: log that gets the metadata of each input, or the reason of its failure.
    """
    with progress_bar("predict", "input", len(inputs)) as progress:
        try:
            for given in inputs:
                try:
                    log.done.append(predictor.predict(given))
                # Whatever a file of a user makes a library raise, it says nothing about the others.
                except Exception as error:
                    reason = log.failed[str(given.file)] = failure_reason(given.file, error)
                    if len(inputs) > 1:
                        progress.write(f"Error: {reason}", file=sys.stderr)
                log.update()
                progress.update()
        finally:
            log.write()


def failure_reason(file: Path, error: Exception) -> str:
    """Returns the reason of a failure in one line that names the input."""
    if isinstance(error, RoadshiftError):
        text = str(error)
        return text if str(file) in text else f"{file}: {text}"
    if isinstance(error, MemoryError):
        return f"{file}: needs more memory than there is; scale it down or cut it into parts"
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return f"{file}: its name is too long for the names of its outputs; shorten it"
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{file}: {error.strerror}: {error.filename}; correct it, or leave the input out"
    text = " ".join(str(error).split())[:200]
    what = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return f"{file}: cannot be predicted ({what}); replace it, or leave it out"
