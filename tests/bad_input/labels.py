"""Labels that are damaged, unusual or missing."""

from functools import partial

import numpy as np
import yaml
from PIL import Image

from tests.bad_input.images import (
    IMAGE,
    LABEL,
    PREPARE,
    as_jpeg,
    cut,
    label,
    noise,
    saved,
    shard_example,
    write,
)
from tests.bad_input.project import HEIGHT, OWN, TABLE, WIDTH, Case, save


def palette_label() -> Image.Image:
    image = Image.fromarray(label(), "P")
    image.putpalette([10, 200, 30, 99, 98, 97, 1, 2, 3, 250, 250, 250])
    return image


def coloured_table() -> None:
    content = yaml.safe_load(TABLE) | {"kind": "colour", "values": [[0, 0, 0, "road"]]}
    (OWN / "encoding.yaml").write_text(yaml.safe_dump(content), "utf-8")


def red_table() -> None:
    content = yaml.safe_load(TABLE) | {"kind": "red"}
    (OWN / "encoding.yaml").write_text(yaml.safe_dump(content), "utf-8")


def see_through_label() -> None:
    coloured_table()
    for file in (OWN / "labels").iterdir():
        save(Image.new("RGBA", (WIDTH, HEIGHT), (0, 0, 0, 128)), file)


def turned_label() -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(label()).save(LABEL, exif=exif)


def all_void() -> None:
    for file in (OWN / "labels").iterdir():
        save(np.zeros((HEIGHT, WIDTH), np.uint8), file)


def unknown_values() -> None:
    values = label()
    values[0, :5], values[1, :2] = 77, 9
    save(values, LABEL)


def is_void() -> None:
    assert (shard_example()[1] == 255).all()


def keeps_values() -> None:
    values = label()
    np.testing.assert_array_equal(shard_example()[1] == 255, values == 0)
    assert len(np.unique(shard_example()[1][values == 1])) == 1


LABELS = (
    Case(
        "a label of another size than its image",
        saved(lambda: label()[:, :-1], LABEL),
        PREPARE,
        "images/003.png is 64×40, its label labels/003.png is 63×40: expected the same "
        "size; replace one of them",
    ),
    Case(
        "ids that the encoding lacks",
        unknown_values,
        PREPARE,
        "labels/003.png: ids unknown to the card's encoding: 77 (5 pixels), 9 (2 "
        "pixels); correct the label or add them to the encoding",
    ),
    Case(
        "colours in a set of ids",
        saved(noise, LABEL),
        PREPARE,
        "data/raw/target/labels/003.png: expected one grey byte a pixel, found RGB whose "
        "channels differ (…); in the encoding write 'kind: colour' for colours, 'kind: red' for "
        "ids in the red channel",
    ),
    Case(
        "ids in three equal channels",
        saved(lambda: np.dstack([label()] * 3), LABEL),
        PREPARE,
        works="the ids are read, as OpenCV may write them",
        check=keeps_values,
    ),
    Case(
        "grey labels in a set of ids in red",
        red_table,
        PREPARE,
        "folder: 10 of 10 samples cannot be remapped; correct their files, or add to the "
        "encoding what it lacks\n"
        "data/raw/target/labels/000.png: expected 8-bit RGB with ids in red, found mode L\n⋮",
    ),
    Case(
        "a PNM file whose values end below 255",
        lambda: write(LABEL, b"P5 64 40 3\n" + label().tobytes()),
        PREPARE,
        "data/raw/target/labels/003.png: values of 0..3, expected 0..255; save it as PNG",
    ),
    Case(
        "ids in a set of colours",
        coloured_table,
        PREPARE,
        "folder: 10 of 10 samples cannot be remapped; correct their files, or add to the "
        "encoding what it lacks\n"
        "data/raw/target/labels/000.png: expected RGB colours, found mode L\n⋮",
    ),
    Case(
        "half transparent colours",
        see_through_label,
        PREPARE,
        "folder: 10 of 10 samples cannot be remapped; correct their files, or add to the "
        "encoding what it lacks\n"
        "data/raw/target/labels/000.png: expected RGB colours, found mode RGBA\n⋮",
    ),
    Case(
        "16-bit ids in a set of 8",
        saved(lambda: label().astype(np.uint16), LABEL),
        PREPARE,
        "data/raw/target/labels/003.png: expected one grey byte a pixel, found mode I;16",
    ),
    Case(
        "a JPEG named .png",
        lambda: write(LABEL, as_jpeg(Image.fromarray(label()))),
        PREPARE,
        "data/raw/target/labels/003.png: a label in JPEG compression: its ids or "
        "colours may have changed; export the original label again, as PNG or as TIFF "
        "with LZW compression",
    ),
    Case(
        "turned by EXIF",
        turned_label,
        PREPARE,
        "data/raw/target/labels/003.png: a label with an EXIF rotation; save it upright",
    ),
    Case(
        "cut short",
        partial(cut, LABEL, 60),
        PREPARE,
        "data/raw/target/labels/003.png: cannot be read (…); if the file is damaged, "
        "replace it, else save it as PNG",
    ),
    Case(
        "missing",
        LABEL.unlink,
        PREPARE,
        "folder: 'images/003.png' has no 'labels/003.png' (1 such); add the missing "
        "files or remove the extra ones",
    ),
    Case(
        "a label without an image",
        IMAGE.unlink,
        PREPARE,
        "folder: 'labels/003.png' has no 'images/003.*' (1 such); add the missing "
        "files or remove the extra ones",
    ),
    Case(
        "a palette",
        saved(palette_label, LABEL),
        PREPARE,
        works="the indices are used, not the colours",
        check=keeps_values,
    ),
    Case(
        "a label that is all void",
        saved(lambda: np.zeros((HEIGHT, WIDTH), np.uint8), LABEL),
        PREPARE,
        works="the image is kept; all its pixels are ignored",
        check=is_void,
    ),
    Case(
        "all labels of the data set all void",
        all_void,
        PREPARE,
        "folder: every pixel of split 'test' is ignored in the taxonomy 'driving11'; "
        "correct the labels, or choose another data.split.by",
    ),
)
