import numpy as np
import pytest

from roadshift.synthetic.scene import FACADE, FACE, Facade, Scene, linear

WALL = Facade(
    along_street=True,
    start=1.0,
    plane=-7.5,
    height=9.5,
    floor_height=3.0,
    window_step=2.5,
    window_width=0.5,
    window_height=0.375,
    ground_height=4.0,
    seed=17.0,
    trim=(0.25, 0.5, 0.75),
    brick=False,
    shop=True,
    lit_share=0.125,
    door_column=2.0,
    accent=(0.5, 0.0, 1.0),
)


def scene():
    return Scene(eye=(1.0, 1.5, 0.0), sun=(0.0, 1.0, 0.0))


def test_the_facade_table_has_every_facade_with_its_fields_by_name():
    street = scene()
    other = WALL._replace(along_street=False, brick=True, seed=3.0)
    assert [street.add_facade(WALL), street.add_facade(other)] == [0, 1]
    table = street.facade_table()
    assert FACADE.names == Facade._fields
    for name in Facade._fields:
        assert table[name].tolist() == np.array([getattr(f, name) for f in (WALL, other)]).tolist()


def test_a_scene_without_walls_has_an_empty_facade_table():
    assert scene().facade_table().shape == (0,)


def test_the_face_table_has_every_face_with_its_fields_by_name():
    street = scene()
    corners = [(0, 0, 5), (1, 0, 5), (1, 1, 5)]
    street.face(corners, "road", (0.5, 0.25, 0.125), (0, 1, 0))
    street.face(corners, "lane_marking", (1, 1, 1), glow=(2, 3, 4), rough=0.5, facade=7)
    table = street.face_table()
    assert table.dtype == FACE
    assert table["id"].tolist() == [0, 1]
    assert table["colour"].tolist() == [[0.5, 0.25, 0.125], [1, 1, 1]]
    assert table["normal"][0].tolist() == [0, 1, 0]
    assert table["glow"].tolist() == [[0, 0, 0], [2, 3, 4]]
    assert table["rough"].tolist() == [0, 0.5]
    assert table["facade"].tolist() == [-1, 7]


@pytest.mark.parametrize(("normal", "seen"), [((0, 0, -1), True), ((0, 0, 1), False)])
def test_the_camera_sees_a_face_from_its_outer_side_only(normal, seen):
    assert scene().sees((0, 0, 10), normal) is seen


def test_linear_light_follows_the_srgb_curve():
    assert linear("#ff8000") == pytest.approx((1.0, 0.2158605, 0.0))
