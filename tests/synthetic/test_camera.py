import math

import numpy as np
import pytest

from roadshift.synthetic.camera import Camera
from roadshift.synthetic.world import CameraSettings, WorldSettings


def camera(pitch=0.0, yaw=0.0, x=0.0):
    # half of 256 pixels at 45 degrees: a focal length of 128 pixels
    settings = CameraSettings(height=1.5, field_of_view=90)
    return Camera(WorldSettings(width=256, height=160, camera=settings), x=x, pitch=pitch, yaw=yaw)


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ((0, 0, 12), (128, 80 + 128 * 1.5 / 12, 12)),
        ((0, 0, 3), (128, 144, 3)),
        ((2, 1.5, 8), (160, 80, 8)),
        ((-4, 5.5, 16), (96, 48, 16)),
    ],
)
def test_a_level_camera_shows_a_point_where_similar_triangles_say(point, expected):
    shown = camera().project(np.array([point], float))
    assert shown[0] == pytest.approx(expected)


def test_a_camera_that_looks_down_by_45_degrees_has_the_ground_at_its_height_in_the_middle():
    shown = camera(pitch=45).project(np.array([(0, 0, 1.5)]))
    assert shown[0] == pytest.approx((128, 80, 1.5 * math.sqrt(2)))


def test_pitch_moves_the_horizon_up_by_its_tangent():
    shown = camera(pitch=5).project(np.array([(0, 1.5, 1e7)]))
    assert shown[0, 1] == pytest.approx(80 - 128 * math.tan(math.radians(5)), abs=1e-3)


def test_a_camera_turned_to_the_right_shows_what_is_there_in_the_middle():
    shown = camera(yaw=30, x=1.0).project(
        np.array([(1 + 10 * math.sin(math.pi / 6), 1.5, 8.66025)])
    )
    assert shown[0] == pytest.approx((128, 80, 10), abs=1e-3)


def test_rays_are_the_inverse_of_project():
    view = camera(pitch=4, yaw=-7, x=1.7)
    rays = view.rays(2).astype(float)
    rows, columns = np.array([0, 13, 200, 319]), np.array([511, 40, 300, 0])
    points = np.array(view.eye) + 7.0 * rays[rows, columns]
    shown = view.project(points)
    assert shown[:, 0] * 2 == pytest.approx(columns + 0.5, abs=1e-3)
    assert shown[:, 1] * 2 == pytest.approx(rows + 0.5, abs=1e-3)
    assert shown[:, 2] == pytest.approx(7.0, abs=1e-4)
