"""Reads and writes the frames of videos with PyAV, which is an optional dependency."""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from roadshift.errors import RoadshiftError

CODECS = ("libx264", "mpeg4")
"""The first available codec is used; whatever plays MP4 plays both."""
DEFAULT_RATE = Fraction(25)


class Video:
    """An opened video.

    Attributes:
        frames: number of frames that the file states; None if it states none.
        rate: frames a second; 25 if the file states none.
    """

    def __init__(self, file: Path, container: Any) -> None:
        self._file, self._container = file, container
        if not container.streams.video:
            raise RoadshiftError(f"{file}: holds no video; replace it")
        self._stream = container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.frames: int | None = self._stream.frames or None
        self.rate: Fraction = self._stream.average_rate or DEFAULT_RATE

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yields the frames, uint8 RGB (H, W, 3), upright.

        Raises:
            RoadshiftError: the video is damaged; the frames before the damage are yielded first.
        """
        av = _av(self._file)
        number = 0
        try:
            for frame in self._container.decode(self._stream):
                # A turned camera stores turned frames; the angle, counter-clockwise, undoes it.
                turns = round(frame.rotation / 90) % 4
                yield np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turns))
                number += 1
        except av.FFmpegError as error:
            raise RoadshiftError(
                f"{self._file}: damaged after frame {number} ({error.strerror}); replace it"
            ) from None
        if not number:
            raise RoadshiftError(f"{self._file}: no video frame in it; replace the file")


@contextmanager
def open_video(file: Path) -> Iterator[Video]:
    """Context manager: opens a video, and closes it at the end.

    Raises:
        RoadshiftError: PyAV is not installed, or the file is not a video.
    """
    av = _av(file)
    try:
        container = av.open(str(file))
    except (av.FFmpegError, OSError) as error:
        raise RoadshiftError(
            f"{file}: not a video that can be read ({error.strerror}); replace it"
        ) from None
    with container:
        yield Video(file, container)


class VideoWriter:
    """Writes frames of one size as an MP4."""

    def __init__(self, container: Any, rate: Fraction) -> None:
        self._container, self._rate = container, rate
        self._stream: Any = None

    def write(self, frame: np.ndarray) -> None:
        """Adds a frame, uint8 RGB (H, W, 3)."""
        av = _av(Path())
        height, width = frame.shape[:2]
        # The format stores colours for squares of 2×2 pixels.
        even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        if self._stream is None:
            codec = next(name for name in CODECS if name in av.codecs_available)
            self._stream = self._container.add_stream(codec, rate=self._rate)
            self._stream.height, self._stream.width = even.shape[:2]
            self._stream.pix_fmt = "yuv420p"
        video_frame = av.VideoFrame.from_ndarray(even, format="rgb24")
        self._container.mux(self._stream.encode(video_frame))

    def finish(self) -> None:
        """Writes the frames that the codec still holds back."""
        if self._stream is not None:
            self._container.mux(self._stream.encode())


@contextmanager
def new_video(file: Path, rate: Fraction) -> Iterator[VideoWriter]:
    """Context manager: yields a writer of an MP4, whatever the file's suffix."""
    with _av(file).open(str(file), "w", format="mp4") as container:
        writer = VideoWriter(container, rate)
        yield writer
        writer.finish()


def _av(file: Path) -> Any:
    try:
        import av
    except ImportError:
        raise RoadshiftError(
            f"{file}: videos need a package that is not installed: pip install av"
        ) from None
    return av
