"""Pictures that are not what they should be."""

import io
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from tests.bad_input.project import HEIGHT, OWN, WIDTH, Case, draw, save

PICTURE, LABEL = OWN / "images/003.png", OWN / "labels/003.png"
RAW = Path("data/raw/target")
WAY = (("download", "target"), ("remap", "target"), ("shard", "target"))
LOOK = (("roadshift", "predict", "models/a/model.keras", "street.png"),)


def picture(mode: str = "RGB") -> Image.Image:
    return draw(3)[0].convert(mode)


def label() -> np.ndarray:
    return draw(3)[1]


def png(width: int, height: int, bits: int, colour_type: int, lines: bytes) -> bytes:
    """A PNG of lines, each after a byte that says how it is filtered."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(
            ">I", zlib.crc32(name + data)
        )  # fmt: skip

    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def deep_colours() -> bytes:
    """RGB of 16 bits a channel, which Pillow reads and cannot write."""
    values = np.asarray(picture()).astype(">u2") * 257
    lines = b"".join(b"\0" + line.tobytes() for line in values)
    return png(WIDTH, HEIGHT, 16, 2, lines)


def vast(side: int = 20_000) -> bytes:
    """Black and white, so that the file is small."""
    return png(side, side, 1, 0, bytes((1 + side // 8) * side))


def as_jpeg(image: Image.Image, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=95, **options)
    return content.getvalue()


def turned() -> bytes:
    """A picture that lies on its side in the file, and says so."""
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
    write(PICTURE.with_suffix(".jpg"), as_jpeg(picture())[:-400], instead_of=PICTURE)


def saved(image: Callable[[], Image.Image | np.ndarray], file: Path) -> Callable[[], None]:
    return lambda: save(image(), file)


def shard_example(name: str = "003") -> tuple[np.ndarray, np.ndarray]:
    """The picture and label of a sample, from the shards."""
    from roadshift.records.reader import examples, open_shards

    for part in ("trainval", "test"):
        shards = open_shards(Path("data/shards/target") / part)
        for split in shards.shard_lengths:
            for example in examples(shards, split):
                if example.id == name:
                    return example.image, example.label
    raise AssertionError(f"{name} is in no shard")


def near(expected: Callable[[], Image.Image], most: float = 0) -> Callable[[], None]:
    """A check that the shards hold a picture, but for so much, on average, of 255."""

    def check() -> None:
        found, wanted = shard_example()[0].astype(int), np.asarray(expected()).astype(int)
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).mean() <= most

    return check


def predicted(width: int = WIDTH, height: int = HEIGHT) -> None:
    with Image.open("predictions/labels/street.png") as found:
        assert found.size == (width, height)


def smooth() -> Image.Image:
    """What a lossy format keeps well."""
    return picture().resize((4, 4)).resize((WIDTH, HEIGHT))


def both_turned() -> None:
    write(PICTURE.with_suffix(".jpg"), turned(), instead_of=PICTURE)
    save(np.rot90(label()), LABEL)


def one_pixel() -> None:
    save(picture().crop((0, 0, 1, 1)), PICTURE)
    save(label()[:1, :1], LABEL)


PICTURES = (
    Case(
        "a PNG cut short",
        partial(cut, PICTURE),
        WAY,
        "data/raw/target/images/003.png: a damaged picture (…); replace it",
    ),
    Case(
        "a JPEG cut short",
        cut_jpeg,
        WAY,
        "data/raw/target/images/003.jpg: a damaged picture (…); replace it",
    ),
    Case(
        "an empty file",
        partial(write, PICTURE, b""),
        WAY,
        "data/raw/target/images/003.png: not a picture that can be read; replace it",
    ),
    Case(
        "a text named .png",
        partial(write, PICTURE, b"not found\n"),
        WAY,
        "data/raw/target/images/003.png: not a picture that can be read; replace it",
    ),
    Case(
        "a JPEG named .png",
        lambda: write(PICTURE, as_jpeg(smooth())),
        WAY,
        works="the picture: its content tells the format, not its name",
        check=near(smooth, 3),
    ),
    Case(
        "CMYK, as print shops save",
        lambda: write(PICTURE, as_jpeg(smooth().convert("CMYK"))),
        WAY,
        works="the picture in RGB",
        check=near(smooth, 3),
    ),
    Case(
        "grey, 8 bits",
        saved(partial(picture, "L"), PICTURE),
        WAY,
        works="the picture, its three channels alike",
        check=near(lambda: picture("L").convert("RGB")),
    ),
    Case(
        "a palette",
        saved(lambda: picture().quantize(64), PICTURE),
        WAY,
        works="the palette's colours",
        check=near(lambda: picture().quantize(64).convert("RGB")),
    ),
    Case(
        "an alpha channel",
        saved(lambda: picture("RGBA"), PICTURE),
        WAY,
        works="the colours without it",
        check=near(picture),
    ),
    Case(
        "16-bit grey",
        saved(lambda: np.asarray(picture("L")).astype(np.uint16), PICTURE),
        WAY,
        "data/raw/target/images/003.png: more than 8 bits a channel (mode I;16); "
        "convert it to 8 bits",
    ),
    Case(
        "16-bit RGB",
        lambda: write(PICTURE, deep_colours()),
        WAY,
        "data/raw/target/images/003.png: more than 8 bits a channel (mode RGB); "
        "convert it to 8 bits",
    ),
    Case(
        "EXIF says turned; the label is upright",
        lambda: write(PICTURE.with_suffix(".jpg"), turned(), instead_of=PICTURE),
        WAY,
        works="the picture upright, as it is seen",
        check=near(smooth, 3),
    ),
    Case(
        "EXIF says turned; the label lies too",
        both_turned,
        WAY,
        "images/003.jpg is 64×40, its label labels/003.png is 40×64: expected the same size",
    ),
    Case(
        "1×1",
        one_pixel,
        WAY,
        works="the picture of one pixel",
        check=near(lambda: picture().crop((0, 0, 1, 1))),
    ),
    Case(
        "20000×20000",
        lambda: write(PICTURE, vast()),
        WAY,
        "data/raw/target/images/003.png: more than 178956970 pixels, which would fill "
        "the memory; scale it down or cut it into parts",
    ),
    Case(
        "two of one name: 003.png, 003.jpg",
        lambda: write(PICTURE.with_suffix(".jpg"), as_jpeg(picture())),
        WAY,
        "folder: 'images/003.jpg' and 'images/003.png' both fit 'images/{id}.*' as "
        "'003'; remove one",
    ),
    Case(
        "a note among the pictures",
        lambda: write(OWN / "images/notes.txt", b"sunny\n"),
        WAY,
        "folder: 'images/notes.txt' has no 'labels/notes.png' (1 such); add the "
        "missing files or remove the extra ones",
    ),
)

LOOKS = (
    Case(
        "cut short",
        lambda: write(Path("street.png"), PICTURE.read_bytes()[:-400]),
        LOOK,
        "street.png: a damaged picture (…); replace it",
    ),
    Case(
        "an empty file",
        lambda: write(Path("street.png"), b""),
        LOOK,
        "street.png: not a picture that can be read; replace it",
    ),
    Case(
        "20000×20000",
        lambda: write(Path("street.png"), vast()),
        LOOK,
        "street.png: more than 178956970 pixels, which would fill the memory; scale it "
        "down or cut it into parts",
    ),
    Case("no such file", bool, LOOK, "street.png: there is no such file or folder"),
    Case(
        "16-bit RGB",
        lambda: write(Path("street.png"), deep_colours()),
        LOOK,
        works="its labels",
        check=predicted,
    ),
    Case(
        "CMYK named .png",
        lambda: write(Path("street.png"), as_jpeg(picture("CMYK"))),
        LOOK,
        works="its labels",
        check=predicted,
    ),
    Case(
        "transparent",
        saved(lambda: Image.new("RGBA", (WIDTH, HEIGHT)), Path("street.png")),
        LOOK,
        works="its labels, what is transparent taken as white",
        check=predicted,
    ),
    Case(
        "turned by EXIF",
        lambda: write(Path("street.png"), turned()),
        LOOK,
        works="its labels, upright",
        check=predicted,
    ),
    Case(
        "1×1",
        saved(lambda: picture().crop((0, 0, 1, 1)), Path("street.png")),
        LOOK,
        works="the label of one pixel",
        check=partial(predicted, 1, 1),
    ),
)
