import sys
from fractions import Fraction

import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.prediction.video import new_video, open_video


@pytest.fixture
def frames():
    """Three frames of an odd size, grey that rises from left to right and with time."""
    ramp = np.linspace(0, 200, 65).astype(np.uint8)
    return [np.dstack([np.tile(ramp + 10 * number, (49, 1))] * 3) for number in range(3)]


@pytest.fixture
def video(tmp_path, frames):
    pytest.importorskip("av", reason="PyAV (the extra 'video') is not installed")
    file = tmp_path / "video.mp4"
    with new_video(file, Fraction(5)) as writer:
        for frame in frames:
            writer.write(frame)
    return file


def test_frames_come_back_in_order_with_sides_made_even(video, frames):
    with open_video(video) as opened:
        assert (opened.frames, opened.rate) == (3, 5)
        found = list(opened)
    assert [frame.shape for frame in found] == [(50, 66, 3)] * 3
    for frame, expected in zip(found, frames, strict=True):
        assert np.abs(frame[:49, :65].astype(int) - expected).mean() < 5


def test_what_is_no_video_is_named(tmp_path):
    pytest.importorskip("av", reason="PyAV (the extra 'video') is not installed")
    file = tmp_path / "junk.mp4"
    file.write_bytes(b"no video" * 100)
    with pytest.raises(RoadshiftError, match=r"junk\.mp4: not a video"), open_video(file):
        pass


def test_a_video_that_is_cut_is_named(video):
    content = video.read_bytes()
    video.write_bytes(content[: len(content) // 2])
    with pytest.raises(RoadshiftError, match=r"video\.mp4: "), open_video(video) as opened:
        list(opened)


def test_without_the_package_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with (
        pytest.raises(RoadshiftError, match="not installed: pip install av"),
        open_video(tmp_path / "a.mp4"),
    ):
        pass
