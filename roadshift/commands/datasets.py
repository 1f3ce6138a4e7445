"""`roadshift datasets`: the list of data sets that have cards, and the content of a card."""

from typing import Any

import click
from rich.console import Console
from rich.style import Style
from rich.text import Text

from roadshift.commands.output import completion, console, pairs, print_json, table
from roadshift.datasets.card import Archive, Card, card_names, load_card
from roadshift.datasets.encoding import NAMED_KINDS, Encoding
from roadshift.datasets.splits import SPLITS, SplitScheme
from roadshift.errors import RoadshiftError
from roadshift.taxonomy import universal_names

KINDS = {
    "grey": "grey ids",
    "grey16": "16-bit ids",
    "red": "ids in red",
    "red16": "16-bit ids in red",
    "colour": "colours",
    "panoptic": "segments, with categories in COCO's JSON",
    "polygons": "polygons, a JSON file an image",
    "coco": "polygons and run lengths in COCO's JSON",
    "nuimages": "run lengths in nuImages' tables of JSON",
}
TRIED = {
    "real": "the publisher's files",
    "stand-in": "a stand-in: other files in the publisher's layout",
    "miniature": "a miniature of the publisher's layout",
}
TITLES_FROM = 100
"""Smallest width of a terminal, in columns, at which the list has titles."""
LEGEND = """\
train+val+test: number of labelled images; ~ about, since whole groups are split
labels: grey, red = 8-bit ids; grey16, red16 = 16-bit ids; colour = RGB; own = yours;
        panoptic, polygons, coco, nuimages = JSON files
obtained: by the workflow (automatic, by TFDS, drawn), by hand, or yours already
tried: real = the publisher's files; stand-in = others in their layout;
       miniature = a small copy of their layout; drawn = drawn on this machine
Details of a data set: roadshift datasets NAME"""


@click.command()
@click.argument("name", required=False, shell_complete=completion(card_names))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str | None, as_json: bool) -> None:
    """List the data sets, or describe the one called NAME.

    NAME can be the path of a card of your own, which ends in .yaml. Choose a data set in
    params.yaml, or with `dvc exp run -S domains.target=NAME`.
    """
    if name is None:
        cards = [load_card(each) for each in card_names()]
        if as_json:
            print_json([_summary(card) for card in cards])
        else:
            _print_list(cards)
    elif as_json:
        card = load_card(name)
        content = card.model_dump(mode="json", exclude_defaults=True)
        encoding = _encoding(card)
        values = None if encoding is None else encoding.values
        config = None if encoding is None else encoding.config
        print_json(_summary(card) | content | {"config": config, "values": values})
    else:
        _print_card(load_card(name))


def images_by_split(card: Card) -> dict[str, int] | None:
    """Returns the expected number of labelled images of each split, or None if it is unknown.

    It is approximate where whole groups are split, since the card does not know their sizes.
    """
    splits, total = card.splits, card.samples.get("all")
    if splits.random is not None:
        return None if total is None else _shared(total, dict(splits.random))
    published = splits.official or {name: name for name in splits.lists or ()}
    if not published:
        return None
    counts = dict.fromkeys(SPLITS, 0)
    for publisher_split, split in published.items():
        if publisher_split not in card.samples:
            return None
        counts[split] += card.samples[publisher_split]
    if splits.val_share is not None:
        share = splits.val_share
        counts |= _shared(counts["train"], {"val": share, "train": 1 - share})
    return counts


def _shared(total: int, shares: dict[Any, float]) -> dict[str, int]:
    counts, start, so_far = {}, 0, 0.0
    for split, share in shares.items():
        so_far += share
        counts[split] = round(so_far * total) - start
        start += counts[split]
    return {split: counts.get(split, 0) for split in SPLITS if split in counts}


def _summary(card: Card) -> dict[str, Any]:
    return {
        "name": card.name,
        "title": card.title,
        "images": images_by_split(card),
        "publisher_counts": card.samples,
        "split": split_text(card.splits),
        "labels": _labels(card),
        "encoding": card.encoding,
        "licence": card.licence,
        "obtained": _obtained(card),
        "tried": "drawn" if card.world else card.tried,
    }


def _labels(card: Card) -> str:
    if not card.layout.has_labels:
        return "none"
    return encoding.kind if (encoding := _encoding(card)) else "own"


def _print_list(cards: list[Card]) -> None:
    out = console()
    titles = ("title",) if out.width >= TITLES_FROM else ()
    short = ("train+val+test", "labels", "obtained", "tried")
    grid = table("name", *titles, *short, "licence", whole=short)
    for card in cards:
        summary = _summary(card)
        cells = [_images(card), summary["labels"], summary["obtained"], summary["tried"] or "-"]
        grid.add_row(card.name, *([card.title] if titles else []), *cells, card.licence)
    out.print(grid)
    out.print(LEGEND)


def _images(card: Card) -> str:
    by_split = images_by_split(card)
    if by_split:
        about = "~" if card.splits.by_group else ""
        return about + "+".join(str(by_split.get(split, 0)) for split in SPLITS)
    return f"{sum(card.samples.values())} in all" if card.samples else "-"


def _obtained(card: Card) -> str:
    if card.world:
        return "drawn"
    if card.folder is not None:
        return "yours"
    if card.tfds is not None:
        return "by TFDS"
    return "automatic" if all(archive.url for archive in card.files) else "by hand"


def _encoding(card: Card) -> Encoding | None:
    """Returns the label encoding, or None if it lies with images that are not there."""
    try:
        return card.table
    except RoadshiftError:
        if card.has_own_table:
            return None
        raise


def split_text(scheme: SplitScheme) -> str:
    """Returns how a scheme splits a set, for people."""
    what = "groups (drives, cities or runs of neighbours)" if scheme.needs_groups else "images"
    if scheme.groups:
        return f"by {what}: " + ", ".join(f"{g} {s}" for g, s in scheme.groups.items())
    if scheme.random is not None:
        shares = ", ".join(f"{share:.0%} {split}" for split, share in scheme.random.items())
        return f"{what} at random by data.split.seed: {shares}"
    if scheme.shuffled is not None:
        counts = ", ".join(f"{number} {split}" for split, number in scheme.shuffled.counts.items())
        text = f"the sorted images, shuffled by random.seed({scheme.shuffled.seed}): {counts}"
    elif scheme.lists is not None:
        lists = ", ".join(f"{file} as {split}" for split, file in scheme.lists.items())
        text = f"the publisher's lists: {lists}"
    else:
        official = ", ".join(
            f"{publisher_split} as {split}"
            for publisher_split, split in (scheme.official or {}).items()
        )
        text = f"the publisher's: {official}"
    if scheme.val_share is None:
        return text
    return f"{text}; {scheme.val_share:.0%} of the {what} of train kept as val"


def _print_card(card: Card) -> None:
    out = console()
    out.print(Text(card.name, style="bold") + Text(f": {card.title}"))
    counts = ", ".join(f"{name} {number}" for name, number in card.samples.items())
    patterns = [card.layout.image, *[card.layout.label] * card.layout.has_labels]
    content = {
        "publisher": card.publisher,
        "licence": card.licence,
        "citation": card.citation,
        "homepage": card.homepage,
        "notes": card.notes,
        "tried on": TRIED.get(card.tried or "", ""),
        "labelled": counts,
        "split": split_text(card.splits),
        **{f"split '{name}'": split_text(named) for name, named in card.splits.named.items()},
        "images": f"{_images(card)} (train+val+test)" if card.samples else "",
        "layout": "\n".join(f"{card.layout.root}/{pattern}" for pattern in patterns),
    }
    out.print(pairs({key: value.strip() for key, value in content.items()}))
    _print_files(out, card)
    if not card.layout.has_labels:
        out.print("\nLabels: none.")
        return
    encoding = _encoding(card)
    if encoding is None:
        out.print(
            f"\nLabels: your own table, which you put as '{card.encoding}' into {card.folder}."
        )
    else:
        _print_encoding(out, card.encoding, encoding)


def _print_files(out: Console, card: Card) -> None:
    if card.world:
        out.print("\nThe download stage draws the images on this machine.")
        return
    if card.folder is not None:
        out.print(f"\nYour own files: put them into {card.folder}; the download stage copies them.")
        return
    if card.tfds is not None:
        out.print(
            f"\nTensorFlow Datasets downloads {card.tfds.name}: image {card.tfds.image}, label "
            f"{card.tfds.label}. It says where to put files that it cannot download."
        )
        return
    automatic = _obtained(card) == "automatic"
    how = "downloaded by the download stage" if automatic else "to be downloaded by hand"
    out.print(f"\nFiles, {how}:")
    grid = table("file", "unpacked", "from", paths=True)
    for archive in card.files:
        grid.add_row(archive.name, f"<= {archive.unpacked_megabytes} MB", _origin(archive))
    out.print(grid)
    if not automatic:
        out.print(
            "Put the files, under these names, into data/by_hand in the project's folder, or into "
            "another folder and set the environment variable ROADSHIFT_MIRROR to its absolute path."
        )


def _origin(archive: Archive) -> Text:
    return Text(archive.url if archive.url else f"by hand: {archive.by_hand.strip()}")


def _print_encoding(out: Console, name: str, encoding: Encoding) -> None:
    kind = KINDS.get(encoding.kind, encoding.kind)
    out.print(f"\nLabels: {kind}, encoding {name}, from {encoding.source.strip()}")
    if encoding.config is not None:
        out.print(f"An id is the index of its label in {encoding.config}, a file of the data set.")
    by_name = encoding.config is not None or encoding.kind in NAMED_KINDS
    first = "label" if by_name else "value"
    grid = table(first, "universal name", "meaning")
    for *value, universal in encoding.values:
        shown = Text(", ".join(str(part).rjust(3) for part in value))
        if encoding.kind == "colour":
            red, green, blue = (int(part) for part in value)
            swatch = Style(bgcolor=f"rgb({red},{green},{blue})")
            shown = Text("   ", style=swatch) + Text(" ") + shown
        grid.add_row(shown, str(universal), universal_names()[str(universal)])
    if encoding.background is not None:
        meaning = universal_names()[encoding.background]
        grid.add_row(Text("what nothing covers"), encoding.background, meaning)
    out.print(grid)
