"""Reads and writes the frames of videos with PyAV, which is an optional dependency."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from roadshift.errors import RoadshiftError

CODECS = ("libx264", "mpeg4")
"""The first available codec is used; whatever plays MP4 plays both."""
DEFAULT_RATE = Fraction(25)
TIME_BASE = Fraction(1, 60000)
"""Unit of the times of a written video where nothing finer is asked for, in seconds."""
MAX_DENOMINATOR = {"mpeg4": 2**16 - 1}
"""Largest denominator of a unit of time that a codec can store, if it has a limit."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame of a video.

    Attributes:
        image: uint8 RGB (H, W, 3), upright.
        time: when it is shown, in seconds.
    """

    image: np.ndarray
    time: Fraction


class Video:
    """An opened video.

    Attributes:
        frames: number of frames that the file states; None if it states none.
        rate: average number of frames a second; 25 if the file states none.
        time_base: unit of the frames' times, in seconds.
    """

    def __init__(self, file: Path, container: Any) -> None:
        self._file, self._container = file, container
        if not container.streams.video:
            raise RoadshiftError(f"{file}: holds no video; replace it")
        self._stream = container.streams.video[0]
        self._stream.thread_type = "AUTO"
        self.frames: int | None = self._stream.frames or None
        self.rate: Fraction = self._stream.average_rate or DEFAULT_RATE
        self.time_base: Fraction = self._stream.time_base or TIME_BASE

    def __iter__(self) -> Iterator[Frame]:
        """Yields the frames; one without a time comes a frame's length after the one before it.

        Raises:
            RoadshiftError: the video is damaged; the frames before the damage are yielded first.
        """
        av = _av(self._file)
        number, following = 0, Fraction(0)
        try:
            for frame in self._container.decode(self._stream):
                time = following if frame.pts is None else frame.pts * Fraction(frame.time_base)
                # A turned camera stores turned frames; the angle, counter-clockwise, undoes it.
                turns = round(frame.rotation / 90) % 4
                image = np.rot90(frame.to_ndarray(format="rgb24"), turns)
                yield Frame(np.ascontiguousarray(image), time)
                number, following = number + 1, time + 1 / self.rate
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

    def __init__(self, container: Any, rate: Fraction, time_base: Fraction) -> None:
        self._container, self._rate, self._time_base = container, rate, time_base
        self._stream: Any = None
        self._last: int | None = None

    def write(self, frame: Frame) -> None:
        """Adds a frame.

        Its time is kept, to the unit of time of the video; if it is not later than that of the
        frame before it, it becomes one unit later.
        """
        av = _av(Path())
        height, width = frame.image.shape[:2]
        # The format stores colours for squares of 2×2 pixels.
        even = np.pad(frame.image, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        if self._stream is None:
            codec = next(name for name in CODECS if name in av.codecs_available)
            if self._time_base.denominator > MAX_DENOMINATOR.get(codec, np.inf):
                self._time_base = TIME_BASE
            self._stream = self._container.add_stream(codec, rate=self._rate)
            self._stream.height, self._stream.width = even.shape[:2]
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = self._time_base
        video_frame = av.VideoFrame.from_ndarray(even, format="rgb24")
        time = round(frame.time / self._time_base)
        self._last = time if self._last is None else max(time, self._last + 1)
        video_frame.pts, video_frame.time_base = self._last, self._time_base
        self._container.mux(self._stream.encode(video_frame))

    def finish(self) -> None:
        """Writes the frames that the codec still holds back."""
        if self._stream is not None:
            self._container.mux(self._stream.encode())


@contextmanager
def new_video(file: Path, rate: Fraction, time_base: Fraction = TIME_BASE) -> Iterator[VideoWriter]:
    """Context manager: yields a writer of an MP4, whatever the file's suffix.

    Args:
        file: file to write.
        rate: average number of frames a second.
        time_base: unit of the frames' times, in seconds; default 1/60000.
    """
    with _av(file).open(str(file), "w", format="mp4") as container:
        writer = VideoWriter(container, rate, time_base)
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
