import numpy as np
import pytest

from roadshift.synthetic.camera import NEAR, Camera
from roadshift.synthetic.draw import FACES, GROUND, SKY, Projection, clipped, voted
from roadshift.synthetic.furniture import upright
from roadshift.synthetic.scene import BACK, FRONT, Scene, hull
from roadshift.synthetic.world import CameraSettings, WorldSettings


def test_voted_takes_the_majority_and_never_mixes_ids():
    blocks = np.array(
        [[1, 1, 3, 5, 7, 9], [2, 1, 5, 5, 8, 8], [4, 6, 2, 0, 1, 2], [6, 4, 9, 2, 3, 4]]
    )
    assert voted(blocks.astype(np.uint8)).tolist() == [[1, 5, 8], [4, 2, 1]]


def test_clipped_cuts_a_polygon_at_the_near_plane():
    ring = np.array([(0, 0, NEAR - 1), (0, 0, NEAR + 1), (2, 0, NEAR + 1), (2, 0, NEAR - 1)])
    cut = clipped(ring)
    assert cut[:, 2].min() == pytest.approx(NEAR)
    assert sorted(cut[:, 0].tolist()) == pytest.approx([0, 0, 2, 2])


def test_hull_leaves_out_inner_points():
    square = [(0.0, 0.0), (2.0, 0.0), (2.0, 2.0), (0.0, 2.0)]
    assert sorted(hull([*square, (1.0, 1.0), (0.5, 1.5)])) == sorted(square)


def drawn(*panels):
    world = WorldSettings(
        width=100, height=100, camera=CameraSettings(height=1.0, field_of_view=90)
    )
    camera = Camera(world, x=0, pitch=0, yaw=0)
    scene = Scene(camera.eye, (0, 1, 0))
    for layer, half, z in panels:
        scene.begin(layer, z)
        scene.face(upright(0, z, half, 0, 2), "wall", (1, 1, 1))
    rays = camera.rays(1)
    return Projection(scene, camera, scene.corners()).faces(1, rays[..., 1])


def test_a_panel_covers_the_pixels_that_geometry_says():
    # 10 m away at a focal length of 50 pixels: 4 m wide is 20 pixels, 1 m up and down is 5
    buffer = drawn((FRONT, 2.0, 10.0))
    rows, columns = np.nonzero(buffer == FACES)
    assert (columns.min(), columns.max()) == pytest.approx((40, 59), abs=1)
    assert (rows.min(), rows.max()) == pytest.approx((45, 54), abs=1)
    assert (buffer[:40] == SKY).all()
    assert (buffer[60:] == GROUND).all()


def test_the_nearer_panel_covers_the_farther_whatever_the_order():
    one, other = drawn((FRONT, 1.0, 5.0), (FRONT, 4.0, 10.0)), drawn((FRONT, 4, 10), (FRONT, 1, 5))
    assert one[50, 50] == FACES
    assert other[50, 50] == FACES + 1


def test_what_is_in_the_street_covers_what_is_behind_the_building_line():
    buffer = drawn((FRONT, 1.0, 20.0), (BACK, 4.0, 5.0))
    assert buffer[50, 50] == FACES
