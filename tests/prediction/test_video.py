import sys
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.prediction.video import Frame, new_video, open_video

TENTHS = [Fraction(number, 10) for number in (0, 1, 2, 38, 39)]


@pytest.fixture
def images():
    """Five images of an odd size, grey that rises from left to right and with time."""
    ramp = np.linspace(0, 200, 65).astype(np.uint8)
    return [np.dstack([np.tile(ramp + 10 * number, (49, 1))] * 3) for number in range(5)]


@pytest.fixture
def write(tmp_path, images):
    """(times, time_base) -> a video with a frame at each of the times."""
    pytest.importorskip("av", reason="PyAV (the extra 'video') is not installed")

    def video(times, time_base=Fraction(1, 60000)):
        file = tmp_path / "video.mp4"
        with new_video(file, Fraction(5), time_base) as writer:
            for image, time in zip(images, times, strict=True):
                writer.write(Frame(image, time))
        return file

    return video


def times_in(file):
    with open_video(file) as opened:
        return [frame.time for frame in opened]


def test_frames_come_back_in_order_with_sides_made_even(write, images):
    with open_video(write([Fraction(number, 5) for number in range(5)])) as opened:
        assert (opened.frames, opened.rate) == (5, 5)
        found = [frame.image for frame in opened]
    assert [image.shape for image in found] == [(50, 66, 3)] * 5
    for image, expected in zip(found, images, strict=True):
        assert np.abs(image[:49, :65].astype(int) - expected).mean() < 5


@pytest.mark.parametrize(
    ("times", "time_base"),
    [
        (TENTHS, Fraction(1, 60000)),
        # Times of film, of a camera's clock, of one that begins late, and of slow pictures.
        ([number * Fraction(1001, 24000) for number in range(5)], Fraction(1, 24000)),
        ([Fraction(ticks, 90000) for ticks in (0, 2999, 6003, 6100, 90001)], Fraction(1, 90000)),
        ([Fraction(7, 5) + time for time in TENTHS], Fraction(1, 1000)),
        ([Fraction(20 * number) for number in range(5)], Fraction(1, 1)),
    ],
)
def test_frames_keep_their_times(write, times, time_base):
    assert times_in(write(times, time_base)) == times


def test_a_codec_with_coarse_times_keeps_them_nearly(write, monkeypatch):
    monkeypatch.setattr("roadshift.prediction.video.CODECS", ("mpeg4",))
    times = [Fraction(ticks, 90000) for ticks in (0, 2999, 6003, 6100, 90001)]
    found = times_in(write(times, Fraction(1, 90000)))
    np.testing.assert_allclose([*map(float, found)], [*map(float, times)], atol=1e-5)


def test_frames_at_one_time_all_stay(write):
    found = times_in(write([Fraction(0), *[Fraction(1)] * 3, Fraction(2)]))
    assert found == sorted({*found})
    np.testing.assert_allclose([*map(float, found)], [0, 1, 1, 1, 2], atol=1e-3)


def test_frames_without_a_time_follow_at_the_rate_of_the_video(tmp_path, write, images):
    import av

    file = tmp_path / "raw.h264"
    with (
        av.open(str(write([Fraction(number, 5) for number in range(5)]))) as source,
        av.open(str(file), "w", format="h264") as raw,
    ):
        stream = raw.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                raw.mux(packet)
    found = times_in(file)
    steps = {later - earlier for earlier, later in pairwise(found)}
    assert len(found) == 5
    assert len(steps) == 1
    assert min(steps) > 0


def test_what_is_no_video_is_named(tmp_path):
    pytest.importorskip("av", reason="PyAV (the extra 'video') is not installed")
    file = tmp_path / "junk.mp4"
    file.write_bytes(b"no video" * 100)
    with pytest.raises(RoadshiftError, match=r"junk\.mp4: not a video"), open_video(file):
        pass


def test_a_video_that_is_cut_is_named(write):
    video = write(TENTHS)
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
