import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from roadshift.datasets.images import read_image
from roadshift.datasets.samples import write_manifest
from roadshift.errors import RoadshiftError
from roadshift.records.reader import examples, open_shards, records, same_classes
from roadshift.records.writer import write_shards
from roadshift.taxonomy import load_taxonomy

PROJECT = Path(__file__).parents[2]
TAXONOMY = load_taxonomy("driving11")
SPLITS = {"train": 5, "val": 2}


def write(samples, source, folder, splits=("train", "val", "test"), megabytes=1):
    folder.mkdir(parents=True)
    write_shards(
        samples,
        splits,
        images=source / "images",
        labels=source / "labels",
        taxonomy=TAXONOMY,
        dataset="toy",
        shard_megabytes=megabytes,
        folder=folder,
    )
    return folder


@pytest.fixture
def source(tmp_path):
    return tmp_path / "source"


@pytest.fixture
def samples(source, toy_samples):
    return toy_samples(source, SPLITS)


@pytest.fixture
def shards(samples, source, tmp_path):
    return write(samples, source, tmp_path / "shards")


def pixels(file):
    with Image.open(file) as image:
        return np.asarray(image)


def shard_files(folder, split="train"):
    return sorted(folder.glob(f"toy-{split}.tfrecord-*"))


def refuse(match, folder, split="train"):
    with pytest.raises(RoadshiftError, match=match) as caught:
        list(examples(open_shards(folder), split))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_tfds_itself_reads_back_what_was_written(samples, source, shards):
    builder = tfds.builder_from_directory(str(shards))
    assert builder.name == "toy"
    assert set(builder.info.features) == {"image", "label", "id", "group"}
    assert tuple(builder.info.features["label"].names) == TAXONOMY.class_names
    for split, number in SPLITS.items():
        assert builder.info.splits[split].num_examples == number
        expected = {s.id: s for s in samples if s.split == split}
        found = list(tfds.as_numpy(builder.as_dataset(split=split)))
        assert sorted(e["id"].decode() for e in found) == sorted(expected)
        for example in found:
            sample = expected[example["id"].decode()]
            assert example["group"].decode() == sample.group
            assert (example["image"] == pixels(source / "images" / sample.image)).all()
            assert (example["label"][..., 0] == pixels(source / "labels" / sample.label)).all()
            assert example["image"].dtype == example["label"].dtype == np.uint8


def test_our_reader_reads_the_same(samples, source, shards):
    opened = open_shards(shards)
    assert (opened.name, opened.taxonomy) == ("toy", "driving11")
    assert opened.class_names == TAXONOMY.class_names
    assert [opened.count(s) for s in ("train", "val", "test")] == [5, 2, 0]
    by_id = {s.id: s for s in samples}
    found = list(examples(opened, "train"))
    assert len(found) == 5
    for example in found:
        sample = by_id[example.id]
        assert example.group == sample.group
        assert (example.image == pixels(source / "images" / sample.image)).all()
        assert (example.label == pixels(source / "labels" / sample.label)).all()
        assert 255 in example.label


def test_the_order_is_shuffled_and_depends_on_the_ids_alone(samples, source, shards, tmp_path):
    backwards = write(list(reversed(samples)), source, tmp_path / "backwards")
    for file in shards.iterdir():
        assert (backwards / file.name).read_bytes() == file.read_bytes()
    order = [e.id for e in examples(open_shards(shards), "train")]
    assert order != sorted(order)


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(samples, source, tmp_path):
    program = (
        "import sys; from pathlib import Path\n"
        "from roadshift.datasets.samples import read_manifest\n"
        "from roadshift.records.writer import write_shards\n"
        "from roadshift.taxonomy import load_taxonomy\n"
        "source, folder = map(Path, sys.argv[1:])\n"
        "folder.mkdir()\n"
        "write_shards(read_manifest(source / 'm.csv'), ('train', 'val'),\n"
        "    images=source / 'images', labels=source / 'labels', dataset='toy',\n"
        "    taxonomy=load_taxonomy('driving11'), shard_megabytes=1, folder=folder)\n"
    )
    write_manifest(samples, source / "m.csv")
    # This process is the one, with a seed of Python's hashes that is not 1; that is the other.
    subprocess.run(
        [sys.executable, "-c", program, str(source), str(tmp_path / "there")],
        env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONHASHSEED": "1"},
        stderr=subprocess.DEVNULL,
        timeout=300,
        check=True,
    )
    here = write(samples, source, tmp_path / "here")
    hashes = [
        {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.iterdir()}
        for folder in (here, tmp_path / "there")
    ]
    assert hashes[0] == hashes[1]
    metadata = {"features.json", "dataset_info.json"}
    assert metadata | {"toy-train.tfrecord-00000-of-00001"} <= set(hashes[0])


@pytest.fixture
def noisy(source, samples):
    """The same samples, with images of about 300 kB each."""
    for index, sample in enumerate(samples):
        noise = np.random.default_rng(index).integers(0, 256, (320, 320, 3), dtype=np.uint8)
        Image.fromarray(noise).save(source / "images" / sample.image)
        Image.fromarray(noise[..., 0] % 11).save(source / "labels" / sample.label)
    return [replace(s, width=320, height=320) for s in samples]


def test_small_shards_are_many_and_hold_the_same(noisy, source, tmp_path):
    many = write(noisy, source, tmp_path / "many", megabytes=1)
    one = write(noisy, source, tmp_path / "one", megabytes=100)
    # Five images of 0.31 MB come to 1.5 MB: two shards of at most 1 MB.
    assert [f.name for f in shard_files(many)] == [
        "toy-train.tfrecord-00000-of-00002",
        "toy-train.tfrecord-00001-of-00002",
    ]
    assert len(shard_files(one)) == 1
    assert all(f.stat().st_size < 1.3e6 for f in shard_files(many))
    order = [[e.id for e in examples(open_shards(f), "train")] for f in (many, one)]
    assert order[0] == order[1]
    read_by_tfds = tfds.builder_from_directory(str(many)).as_dataset(split="train")
    assert sorted(e["id"].decode() for e in tfds.as_numpy(read_by_tfds)) == sorted(order[0])


def test_only_some_samples_are_those_at_their_places_across_shards(noisy, source, tmp_path):
    shards = open_shards(write(noisy, source, tmp_path / "many", megabytes=1))
    assert len(shards.files("train")) > 1
    everything = [example.id for example in examples(shards, "train")]
    places = {len(everything) - 1, 0, 2}
    assert [example.id for example in examples(shards, "train", places)] == [
        everything[place] for place in sorted(places)
    ]
    assert list(examples(shards, "train", set())) == []


def test_there_are_no_more_shards_than_images(noisy, source, tmp_path):
    large = [replace(s) for s in noisy if s.split == "val"]
    for sample in large:
        noise = np.random.default_rng(1).integers(0, 256, (1000, 1000, 3), dtype=np.uint8)
        Image.fromarray(noise).save(source / "images" / sample.image)
        Image.fromarray(noise[..., 0] % 11).save(source / "labels" / sample.label)
    large = [replace(s, width=1000, height=1000) for s in large]
    assert len(shard_files(write(large, source, tmp_path / "large"), "val")) == 2


def test_a_folder_without_any_image(source, tmp_path):
    source.mkdir()
    opened = open_shards(write([], source, tmp_path / "empty"))
    assert opened.count("train") == 0
    with pytest.raises(RoadshiftError, match="'toy' has no images in split 'train'"):
        opened.files("train")


def test_an_empty_split(shards):
    assert "has no images in split 'test'; choose another" in refuse("toy", shards, "test")


def test_only_the_splits_that_are_asked_for(samples, source, tmp_path):
    opened = open_shards(write(samples, source, tmp_path / "val", splits=("val",)))
    assert list(opened.shard_lengths) == ["val"]


@pytest.mark.parametrize(
    ("mode", "name"),
    [("RGB", "i.jpg"), ("L", "i.png"), ("RGBA", "i.png"), ("P", "i.png"), ("L", "i.jpg")],
)
def test_images_of_other_kinds_are_kept_as_they_look(samples, source, tmp_path, mode, name):
    seen = pixels(source / "images" / samples[0].image)
    with Image.fromarray(seen) as image:
        image.convert(mode).save(source / "images" / name)
    with Image.open(source / "images" / name) as image:
        expected = np.asarray(image.convert("RGB"))
    folder = write([replace(samples[0], image=name)], source, tmp_path / "one")
    (example,) = examples(open_shards(folder), "train")
    assert (example.image == expected).all()


def test_an_image_that_is_turned_is_kept_upright(samples, source, tmp_path):
    stored = np.random.default_rng(0).integers(0, 256, (40, 24, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(stored).save(source / "images" / samples[0].image, exif=exif)
    (example,) = examples(open_shards(write(samples[:1], source, tmp_path / "one")), "train")
    assert (example.image == np.rot90(stored, -1)).all()


def stored_image(folder):
    (record,) = records(open_shards(folder), "train")
    return tf.train.Example.FromString(record).features.feature["image"].bytes_list.value[0]


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("RGB", {}),
        ("RGB", {"quality": 30, "subsampling": 2, "progressive": True}),
        ("RGB", {"quality": 100, "subsampling": 0}),
        ("L", {}),
        ("CMYK", {}),
    ],
)
def test_a_jpeg_keeps_its_bytes_and_decodes_to_the_same_pixels(
    samples, source, tmp_path, mode, options
):
    file = source / "images" / "i.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    Image.fromarray(noise).convert(mode).save(file, **options)
    folder = write([replace(samples[0], image="i.jpg")], source, tmp_path / "one")
    assert stored_image(folder) == file.read_bytes()
    (example,) = examples(open_shards(folder), "train")
    assert (example.image == read_image(file)).all()
    found = tfds.builder_from_directory(str(folder)).as_dataset(split="train")
    ((height, width, _),) = [e["image"].shape for e in tfds.as_numpy(found)]
    assert (height, width) == (24, 40)


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_jpeg_that_is_turned_becomes_an_upright_png(samples, source, tmp_path, orientation):
    file = source / "images" / "i.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
    Image.fromarray(noise).save(file, exif=exif)
    save_square_label(source / "labels" / "l.png")
    sample = replace(samples[0], image="i.jpg", label="l.png", width=24)
    folder = write([sample], source, tmp_path / "one")
    assert stored_image(folder).startswith(b"\x89PNG")
    (example,) = examples(open_shards(folder), "train")
    assert (example.image == read_image(file)).all()


def save_square_label(file):
    Image.fromarray(np.zeros((24, 24), np.uint8)).save(file)


def refuse_to_write(match, samples, source, tmp_path):
    with pytest.raises(RoadshiftError, match=match) as caught:
        write(samples, source, tmp_path / "refused")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_image_of_sixteen_bits_is_refused(samples, source, tmp_path):
    file = source / "images" / samples[0].image
    Image.fromarray(np.full((24, 40), 4000, np.uint16)).save(file)
    assert str(file) in refuse_to_write("more than 8 bits a channel", samples, source, tmp_path)


@pytest.mark.parametrize("keep", [0, 0.5, 0.99])
def test_an_image_that_is_cut_short_is_refused(samples, source, tmp_path, keep):
    file = source / "images" / samples[0].image
    file.write_bytes(file.read_bytes()[: int(keep * file.stat().st_size)])
    assert str(file) in refuse_to_write(
        "(not an image of a known format|cannot be read)", samples, source, tmp_path
    )


def test_an_image_that_only_tensorflow_finds_damaged_is_refused(samples, source, tmp_path):
    file = source / "images" / samples[0].image
    content = bytearray(file.read_bytes())
    # The checksum of the pixel data, which stands before the twelve bytes of the end mark.
    content[-13] ^= 1
    file.write_bytes(content)
    assert str(file) in refuse_to_write("cannot be read", samples, source, tmp_path)


def test_a_missing_image_is_refused(samples, source, tmp_path):
    file = source / "images" / samples[0].image
    file.unlink()
    assert str(file) in refuse_to_write("missing", samples, source, tmp_path)


def test_an_id_out_of_the_taxonomy_is_refused(samples, source, tmp_path, save_image):
    beyond = len(TAXONOMY.class_names) + len(TAXONOMY.partial_labels)
    save_image(source / "labels" / samples[0].label, np.full((24, 40), beyond))
    refused = f"id {beyond} is not in taxonomy 'driving11'"
    message = refuse_to_write(refused, samples, source, tmp_path)
    assert samples[0].label in message


def test_sizes_other_than_the_manifests_are_refused(samples, source, tmp_path):
    wrong = [replace(samples[0], width=41), *samples[1:]]
    refuse_to_write(f"'{samples[0].id}': .* differ in size", wrong, source, tmp_path)


def test_a_missing_shard(shards):
    file = shard_files(shards)[0]
    file.unlink()
    assert str(file) in refuse("missing; run the shard stage again", shards)


@pytest.mark.parametrize("keep", [3, 100, -1])
def test_a_shard_that_is_cut_short(shards, keep):
    file = shard_files(shards)[0]
    file.write_bytes(file.read_bytes()[:keep])
    assert str(file) in refuse("cut short or damaged", shards)


@pytest.mark.parametrize("content", [b"", None])
def test_a_shard_with_fewer_records_than_it_should_have(shards, content):
    file = shard_files(shards)[0]
    whole = file.read_bytes()
    first = 12 + int.from_bytes(whole[:8], "little") + 4
    file.write_bytes(whole[first:] if content is None else content)
    assert str(file) in refuse(f"{0 if content == b'' else 4} records, expected 5", shards)


@pytest.mark.parametrize("place", [20, 300, -30, -2])
def test_a_flipped_byte(shards, place):
    file = shard_files(shards)[0]
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    assert str(file) in refuse("a record is damaged", shards, "train")


def test_of_several_shards_the_damaged_one_is_named(noisy, source, tmp_path):
    folder = write(noisy, source, tmp_path / "many")
    sound, damaged = shard_files(folder)
    content = bytearray(damaged.read_bytes())
    content[500] ^= 1
    damaged.write_bytes(content)
    message = refuse("a record is damaged", folder, "train")
    assert damaged.name in message
    assert sound.name not in message


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "half", "list"])
def test_damaged_metadata(shards, name, damage):
    file = shards / name
    whole = file.read_bytes()
    file.unlink()
    if damage != "missing":
        file.write_bytes({"empty": b"", "half": whole[: len(whole) // 2], "list": b"[]"}[damage])
    assert str(shards) in refuse("not a folder of shards", shards)


def test_a_folder_that_is_none(tmp_path):
    refuse("not a folder of shards", tmp_path / "nowhere")


def test_sets_of_the_same_classes(shards):
    opened = open_shards(shards)
    assert same_classes([opened, opened]) == ("driving11", TAXONOMY.class_names)
    other = replace(opened, taxonomy="coarse", class_names=("a", "b"))
    with pytest.raises(RoadshiftError, match=r"in taxonomy 'coarse'.*run the remap"):
        same_classes([opened, other])
