"""Images that are damaged, unusual or missing."""

import io
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from tests.bad_input.project import HEIGHT, OWN, WIDTH, Case, draw, save

IMAGE, LABEL = OWN / "images/003.png", OWN / "labels/003.png"
RAW = Path("data/raw/target")
PREPARE = (("download", "target"), ("remap", "target"), ("shard", "target"))
PREDICT = (("roadshift", "predict", "models/a.keras", "street.png"),)


def noise(mode: str = "RGB") -> Image.Image:
    return draw(3)[0].convert(mode)


def label() -> np.ndarray:
    return draw(3)[1]


def png(width: int, height: int, *, bits: int, colour_type: int, lines: bytes) -> bytes:
    """Encodes a PNG; each of its lines begins with the byte of its filter."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(
            ">I", zlib.crc32(name + data)
        )  # fmt: skip

    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def deep_colours() -> bytes:
    """A PNG in RGB with 16 bits a channel, which Pillow reads but cannot write."""
    values = np.asarray(noise()).astype(">u2") * 257
    lines = b"".join(b"\0" + line.tobytes() for line in values)
    return png(WIDTH, HEIGHT, bits=16, colour_type=2, lines=lines)


def vast(side: int = 20_000) -> bytes:
    """A huge PNG with one bit a pixel, so that the file is small."""
    return png(side, side, bits=1, colour_type=0, lines=bytes((1 + side // 8) * side))


def as_jpeg(image: Image.Image, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=95, **options)
    return content.getvalue()


def turned() -> bytes:
    """A JPEG that is stored turned, with the EXIF tag that says so."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return as_jpeg(smooth().rotate(90, expand=True), exif=exif)


def write(file: Path, content: bytes, instead_of: Path | None = None) -> None:
    if instead_of:
        instead_of.unlink()
    file.write_bytes(content)


def cut(file: Path, lost: int = 400) -> None:
    file.write_bytes(file.read_bytes()[:-lost])


def cut_jpeg() -> None:
    write(IMAGE.with_suffix(".jpg"), as_jpeg(noise())[:-400], instead_of=IMAGE)


def saved(image: Callable[[], Image.Image | np.ndarray], file: Path) -> Callable[[], None]:
    return lambda: save(image(), file)


def shard_example(name: str = "003") -> tuple[np.ndarray, np.ndarray]:
    """Returns the image and label of a sample from the shards."""
    from roadshift.records.reader import examples, open_shards

    for part in ("trainval", "test"):
        shards = open_shards(Path("data/shards") / part / "target")
        for split in shards.shard_lengths:
            for example in examples(shards, split):
                if example.id == name:
                    return example.image, example.label
    raise AssertionError(f"{name} is in no shard")


def near(expected: Callable[[], Image.Image], most: float = 0) -> Callable[[], None]:
    """Returns a check that the shards hold an image, up to a mean difference of `most` of 255."""

    def check() -> None:
        found, wanted = shard_example()[0].astype(int), np.asarray(expected()).astype(int)
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).mean() <= most

    return check


def all_ten() -> None:
    manifest = Path("data/remapped/target/manifest.csv").read_text("utf-8")
    assert [f"images/{number:03}.png" in manifest for number in range(10)] == [True] * 10
    assert "notes" not in manifest


def predicted(width: int = WIDTH, height: int = HEIGHT) -> None:
    with Image.open("predictions/labels/street.png") as found:
        assert found.size == (width, height)


def smooth() -> Image.Image:
    """An image that a lossy format hardly changes."""
    return noise().resize((4, 4)).resize((WIDTH, HEIGHT))


def both_turned() -> None:
    write(IMAGE.with_suffix(".jpg"), turned(), instead_of=IMAGE)
    save(np.rot90(label()), LABEL)


def one_pixel() -> None:
    save(noise().crop((0, 0, 1, 1)), IMAGE)
    save(label()[:1, :1], LABEL)


IMAGES = (
    Case(
        "a PNG cut short",
        partial(cut, IMAGE),
        PREPARE,
        "data/raw/target/images/003.png: cannot be read (…); if the file is damaged, "
        "replace it, else save it as PNG",
    ),
    Case(
        "a JPEG cut short",
        cut_jpeg,
        PREPARE,
        "data/raw/target/images/003.jpg: cannot be read (…); if the file is damaged, "
        "replace it, else save it as PNG",
    ),
    Case(
        "an empty file",
        partial(write, IMAGE, b""),
        PREPARE,
        "data/raw/target/images/003.png: not an image of a known format; replace "
        "it, or save it as PNG",
    ),
    Case(
        "a text named .png",
        partial(write, IMAGE, b"not found\n"),
        PREPARE,
        "data/raw/target/images/003.png: not an image of a known format; replace "
        "it, or save it as PNG",
    ),
    Case(
        "a JPEG named .png",
        lambda: write(IMAGE, as_jpeg(smooth())),
        PREPARE,
        works="the image is read; its content tells the format, not its name",
        check=near(smooth, 3),
    ),
    Case(
        "CMYK",
        lambda: write(IMAGE, as_jpeg(smooth().convert("CMYK"))),
        PREPARE,
        works="the image is converted to RGB",
        check=near(smooth, 3),
    ),
    Case(
        "grey, 8 bits",
        saved(partial(noise, "L"), IMAGE),
        PREPARE,
        works="the image gets three equal channels",
        check=near(lambda: noise("L").convert("RGB")),
    ),
    Case(
        "a palette",
        saved(lambda: noise().quantize(64), IMAGE),
        PREPARE,
        works="the image gets the palette's colours",
        check=near(lambda: noise().quantize(64).convert("RGB")),
    ),
    Case(
        "an alpha channel",
        saved(lambda: noise("RGBA"), IMAGE),
        PREPARE,
        works="the colours are used, the alpha channel is ignored",
        check=near(noise),
    ),
    Case(
        "16-bit grey",
        saved(lambda: np.asarray(noise("L")).astype(np.uint16), IMAGE),
        PREPARE,
        "data/raw/target/images/003.png: more than 8 bits a channel (mode I;16); "
        "convert it to 8 bits",
    ),
    Case(
        "16-bit RGB",
        lambda: write(IMAGE, deep_colours()),
        PREPARE,
        "data/raw/target/images/003.png: more than 8 bits a channel (mode RGB); "
        "convert it to 8 bits",
    ),
    Case(
        "turned by EXIF, with an upright label",
        lambda: write(IMAGE.with_suffix(".jpg"), turned(), instead_of=IMAGE),
        PREPARE,
        works="the image is turned upright",
        check=near(smooth, 3),
    ),
    Case(
        "turned by EXIF, with a turned label",
        both_turned,
        PREPARE,
        "images/003.jpg is 64×40, its label labels/003.png is 40×64: expected the same "
        "size; replace one of them",
    ),
    Case(
        "1×1",
        one_pixel,
        PREPARE,
        works="the image of one pixel is used",
        check=near(lambda: noise().crop((0, 0, 1, 1))),
    ),
    Case(
        "20000×20000",
        lambda: write(IMAGE, vast()),
        PREPARE,
        "data/raw/target/images/003.png: more than 178956970 pixels, which would fill "
        "the memory; scale it down or cut it into parts",
    ),
    Case(
        "two images of one name: 003.png, 003.jpg",
        lambda: write(IMAGE.with_suffix(".jpg"), as_jpeg(noise())),
        PREPARE,
        "folder: 'images/003.jpg' and 'images/003.png' both fit 'images/{id}.*' as "
        "'003'; remove one",
    ),
    Case(
        "a note among the images",
        lambda: write(OWN / "images/notes.txt", b"sunny\n"),
        PREPARE,
        works="the note is left out, and one printed line names it",
        check=all_ten,
    ),
)

PREDICTED = (
    Case(
        "cut short",
        lambda: write(Path("street.png"), IMAGE.read_bytes()[:-400]),
        PREDICT,
        "street.png: cannot be read (…); if the file is damaged, replace it, else save it as PNG",
    ),
    Case(
        "an empty file",
        lambda: write(Path("street.png"), b""),
        PREDICT,
        "street.png: not an image of a known format; replace it, or save it as PNG",
    ),
    Case(
        "20000×20000",
        lambda: write(Path("street.png"), vast()),
        PREDICT,
        "street.png: more than 178956970 pixels, which would fill the memory; scale it "
        "down or cut it into parts",
    ),
    Case("no such file", bool, PREDICT, "street.png: there is no such file or folder"),
    Case(
        "16-bit RGB",
        lambda: write(Path("street.png"), deep_colours()),
        PREDICT,
        works="it is labelled",
        check=predicted,
    ),
    Case(
        "CMYK named .png",
        lambda: write(Path("street.png"), as_jpeg(noise("CMYK"))),
        PREDICT,
        works="it is labelled",
        check=predicted,
    ),
    Case(
        "transparent",
        saved(lambda: Image.new("RGBA", (WIDTH, HEIGHT)), Path("street.png")),
        PREDICT,
        works="it is labelled; transparent pixels are read as white",
        check=predicted,
    ),
    Case(
        "turned by EXIF",
        lambda: write(Path("street.png"), turned()),
        PREDICT,
        works="it is labelled, upright",
        check=predicted,
    ),
    Case(
        "1×1",
        saved(lambda: noise().crop((0, 0, 1, 1)), Path("street.png")),
        PREDICT,
        works="its one pixel is labelled",
        check=partial(predicted, 1, 1),
    ),
)
