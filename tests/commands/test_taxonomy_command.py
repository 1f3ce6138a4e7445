import json

import pytest
from click.testing import CliRunner

from roadshift.__main__ import main
from roadshift.taxonomy import load_taxonomy, taxonomy_names


def show(*arguments):
    done = CliRunner().invoke(main, ["taxonomy", *arguments], env={"COLUMNS": "250"})
    assert done.exit_code == 0, done.output
    return done.output


def cells(name, output):
    """Returns the cells of the row that begins with a name."""
    (line,) = (line for line in output.splitlines() if line.startswith(f"{name} "))
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_without_sets_the_taxonomies_are_listed_with_their_classes():
    output = show()
    for name in taxonomy_names():
        expected = ", ".join(load_taxonomy(name).class_names)
        assert cells(name, output)[-1][:100] == expected[:100]


def test_a_taxonomy_says_what_it_merges_and_ignores():
    output = show("--taxonomy", "driving7")
    assert cells("living_thing", output)[1] == "living_thing, person, rider, person_or_animal"
    assert cells("two_wheeler", output)[1] == (
        "riders are living things, what they ride is a vehicle"
    )


def test_the_summary_has_the_best_taxonomy_first():
    lines = show("camvid", "kitti").splitlines()
    order = [
        line.split()[0] for line in lines if line.split() and line.split()[0] in taxonomy_names()
    ]
    assert order == ["driving11", "driving7", "binary", "cityscapes19", "kitti30"]
    assert cells("driving11", "\n".join(lines))[1] == "11 of 11"
    assert cells("cityscapes19", "\n".join(lines))[1:] == [
        "0 of 19",
        "camvid is too coarse (traffic_sign_or_light, motor_vehicle, two_wheeler)",
    ]


def test_the_summary_names_what_a_set_lacks():
    row = cells("cityscapes19", show("kitti", "synthia"))
    assert row[1] == "19 of 19"
    row = cells("kitti30", show("kitti", "synthia"))
    assert "rail_track (absent in synthia)" in row[-1]


def test_the_matrix_says_yes_coarse_and_why():
    output = show("camvid", "idd_lite", "kitti", "--taxonomy", "driving11")
    assert cells("road", output) == ["road", "yes", "yes", "yes", "no", "idd_lite is refused"]
    assert cells("building", output) == [
        "building", "yes", "coarse", "yes", "no",
        "idd_lite: 'far_object' straddles building and vegetation",
    ]  # fmt: skip
    assert "Compared on 0 of 11 classes." in output
    assert cells("parking", output) == [
        "parking", "kitti", "CamVid does not separate it from road and sidewalk",
    ]  # fmt: skip


def test_the_matrix_says_what_would_be_partial_labels_and_what_they_are_scored_on():
    output = show("idd_lite", "camvid", "--taxonomy", "driving11")
    assert "idd_lite is refused, unless data.partial_labels=true accepts its partial" in output
    assert cells("non_drivable", output) == ["non_drivable", "idd_lite", "sidewalk or vegetation"]
    assert cells("vehicle", output.partition("too coarse")[2])[2] == "vehicle or two_wheeler"
    assert (
        "With them idd_lite is scored on 4 classes: road; sidewalk + building + fence + pole + "
        "traffic_sign + vegetation; sky; person + vehicle + two_wheeler."
    ) in output
    assert "partial" not in show("camvid", "kitti", "--taxonomy", "driving11")


def test_the_matrix_says_part_where_a_straddling_name_is_ignored():
    output = show("camvid", "idd_lite", "-t", "driving7")
    assert cells("vehicle", output) == [
        "vehicle", "part", "yes", "yes",
        "camvid: 'two_wheeler' is ignored: riders are living things, what they ride is a vehicle",
    ]  # fmt: skip
    assert "Compared on 7 of 7 classes." in output


def test_json():
    (found,) = json.loads(show("camvid", "idd_lite", "-t", "driving11", "--json"))
    assert found["compared"] == []
    assert found["refused"] == {
        "idd_lite": ["non_drivable", "living_thing", "vehicle", "roadside_object", "far_object"]
    }
    assert found["partial_labels"]["idd_lite"]["far_object"] == ["building", "vegetation"]
    assert ["person", "vehicle", "two_wheeler"] in found["scored_on"]["idd_lite"]
    assert len(found["scored_on"]["camvid"]) == 11
    assert found["classes"]["building"]["camvid"] == {"state": "yes", "because": ""}
    assert len(json.loads(show("camvid", "--json"))) == len(taxonomy_names())
    assert [t["name"] for t in json.loads(show("--json"))] == list(taxonomy_names())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["kiti"], "'kiti' is not a data set; did you mean 'kitti'?"),
        (["kitti", "-t", "driving"], "'driving' is not a taxonomy; did you mean"),
    ],
)
def test_unknown_names_get_the_nearest(arguments, message):
    done = CliRunner().invoke(main, ["taxonomy", *arguments])
    assert done.exit_code == 1
    assert message in done.stderr
