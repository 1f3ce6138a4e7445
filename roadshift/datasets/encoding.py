"""Label encodings: tables from a set's own ids or colours to universal names.

Sets share encodings, so these lie beside the cards; a user's own set brings its own.
"""

from collections import Counter
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
from pydantic import Field, ValidationError, model_validator

from roadshift.datasets.json_files import load_json
from roadshift.datasets.packaged import load_packaged
from roadshift.errors import RoadshiftError
from roadshift.settings import Settings, format_validation_error, load_yaml, printable
from roadshift.taxonomy import not_universal, universal_names

UNKNOWN = 255
"""Native index of a value that an encoding does not list."""
BITS = {"grey": 8, "grey16": 16, "red": 8, "red16": 16, "colour": 24}
"""Bits of a value in a label, by the kind of the encoding."""
ValueKind = Literal["grey", "grey16", "red", "red16", "colour"]
NamedKind = Literal["panoptic", "polygons", "coco", "nuimages"]
Kind = ValueKind | NamedKind
NAMED_KINDS = get_args(NamedKind)
"""Kinds whose values are labels of JSON files, and not values of pixels."""
Rows = list[Annotated[tuple[int | str, ...], Field(strict=False)]]
FileName = Annotated[str, Field(pattern=r"^[^./\\][^/\\]*$")]


class Encoding(Settings):
    """A table from the values in label images to universal names.

    Attributes:
        kind: 'grey' for ids in one grey byte a pixel, in three equal channels, or as indices of a
            palette; 'grey16' for ids in 16-bit grey; 'red' for ids in the red channel of 8-bit RGB
            or RGBA, 'red16' in that of 16-bit RGB; 'colour' for 8-bit RGB; 'panoptic' for PNGs of
            segments, whose categories COCO's JSON has; 'polygons' for a JSON an image with
            polygons, as Cityscapes has them; 'coco' for one JSON with polygons and run lengths of
            all images; 'nuimages' for the tables of nuImages.
        config: name of the publisher's JSON file `{"labels": [{"name": …}, …]}` in the root of the
            set's layout, in which a label's id is its position; None if `values` holds the ids.
        values: rows `[id, name]` for ids, `[red, green, blue, name]` for colours, and
            `[label, name]` with a `config` or one of `NAMED_KINDS`; a label of 'panoptic' is a
            category's id, or its name or supercategory.
        background: universal name of the pixels that no segment or polygon covers, for
            `NAMED_KINDS`; None if such pixels are a fault.
        undrawn: labels of polygons that are left out.
        source: where the table is published.
    """

    kind: Kind
    config: FileName | None = None
    values: Rows
    background: str | None = None
    undrawn: Annotated[tuple[str, ...], Field(strict=False)] = ()
    source: str

    @model_validator(mode="after")
    def _rows_are_sound(self) -> "Encoding":
        width = 3 if self.kind == "colour" else 1
        top = 65535 if self.kind in ("grey16", "red16") else 255
        if self.config is not None and self.kind in ("colour", *NAMED_KINDS):
            raise ValueError("config is for ids only; list colours and labels in values")
        if self.background is not None and self.background not in universal_names():
            raise ValueError(f"background: {not_universal(self.background)}")
        if self.kind not in NAMED_KINDS and (self.background is not None or self.undrawn):
            raise ValueError(f"background and undrawn are for {', '.join(NAMED_KINDS)} only")
        for *value, name in self.values:
            if self.kind in NAMED_KINDS:
                form = (str, int) if self.kind == "panoptic" else str
                if len(value) != 1 or not isinstance(value[0], form):
                    raise ValueError(f"row {[*value, name]}: expected a label and its name")
            elif self.config is not None:
                if len(value) != 1 or not isinstance(value[0], str):
                    raise ValueError(f"row {[*value, name]}: expected a label's name in config")
            elif len(value) != width or not all(
                isinstance(v, int) and 0 <= v <= top for v in value
            ):
                raise ValueError(f"row {[*value, name]}: expected {width} integers in 0..{top}")
            if name not in universal_names():
                raise ValueError(not_universal(name))
        counts = Counter(tuple(row[:-1]) for row in self.values)
        if twice := [value for value, count in counts.items() if count > 1]:
            shown = ", ".join(map(str, twice[0]))
            raise ValueError(f"two rows have the value {shown}; remove one")
        if not self.values:
            raise ValueError("expected at least one row, found none")
        if len(self.values) >= UNKNOWN:
            raise ValueError(f"expected at most {UNKNOWN - 1} rows, found {len(self.values)}")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """Universal names by native index: the row's position in the table; background is last."""
        names = tuple(str(row[-1]) for row in self.values)
        return names if self.background is None else (*names, self.background)

    @cached_property
    def native_of(self) -> dict[int | str, int]:
        """Native index by label, for `NAMED_KINDS`."""
        return {row[0]: index for index, row in enumerate(self.values)}

    @property
    def background_index(self) -> int | None:
        """Native index of the background; None if there is none."""
        return None if self.background is None else len(self.values)

    @property
    def keys(self) -> np.ndarray:
        """Ids, or colours packed as red * 65536 + green * 256 + blue, by native index; int64.

        A table with a `config` has no ids; `Card.table_in` returns the table with ids.
        """
        rows = np.array([row[:-1] for row in self.values], np.int64)
        return rows @ np.array([65536, 256, 1]) if self.kind == "colour" else rows[:, 0]

    @property
    def native_index(self) -> np.ndarray:
        """Native index by id, uint8 (256,) or (65536,), or by packed colour, (2 ** 24,).

        Values without a row have `UNKNOWN`.
        """
        index = np.full(1 << BITS[self.kind], UNKNOWN, np.uint8)
        index[self.keys] = np.arange(len(self.names))
        return index


def shown_value(kind: str, value: int | str) -> str:
    """Returns a value of a label for a message: an id, a name, or a packed colour's channels."""
    if isinstance(value, str):
        return f"'{printable(value)}'"
    return f"({value >> 16}, {value >> 8 & 255}, {value & 255})" if kind == "colour" else str(value)


@cache
def load_encoding(name: str) -> Encoding:
    """Reads a label encoding.

    A table with the key `like` has the rows of another one, such as for another kind of files.

    Raises:
        RoadshiftError: there is no encoding of that name, or it does not fit the schema.
    """
    content = load_packaged("encodings", name, "label encoding")
    if isinstance(content, dict) and "like" in content:
        other = load_packaged("encodings", content.pop("like"), "label encoding")
        content = {"values": other["values"], "source": other["source"], **content}
    return checked_encoding(content, f"encoding '{name}'")


def read_encoding(file: Path) -> Encoding:
    """Reads a label encoding from a set's own folder.

    Raises:
        RoadshiftError: the file is missing, not YAML, or does not fit the schema.
    """
    try:
        content = load_yaml(file.read_bytes())
    except FileNotFoundError:
        raise RoadshiftError(
            f"{file}: missing; put the table from label values to universal names there, in the "
            "form of roadshift/datasets/encodings"
        ) from None
    except RoadshiftError as error:
        raise RoadshiftError(f"{file}: {error}") from None
    return checked_encoding(content, str(file))


def checked_encoding(content: Any, where: str) -> Encoding:
    """Makes an encoding of what a file says.

    Args:
        content: the encoding's keys and values.
        where: the file or the table, for errors.

    Raises:
        RoadshiftError: it does not fit the schema; the message is one line.
    """
    try:
        return Encoding.model_validate(content)
    except ValidationError as error:
        raise RoadshiftError(f"{where}: {format_validation_error(error, Encoding)}") from None


def with_ids(table: Encoding, file: Path, name: str) -> Encoding:
    """Replaces a table's label names by ids, which are their positions in the publisher's file.

    Args:
        table: an encoding with a `config`.
        file: the publisher's file.
        name: the encoding's name, for errors.

    Raises:
        RoadshiftError: the file is missing, has another form, or lists other labels.
    """
    labels = _labels_in(file)
    universal = {str(row[0]): str(row[1]) for row in table.values}
    wrong = {
        "unknown": sorted({*labels} - {*universal}),
        "missing": sorted({*universal} - {*labels}),
        "twice": sorted(label for label, times in Counter(labels).items() if times > 1),
    }
    # A missing label is as bad as an extra one: it shifts the ids of all that follow.
    if any(wrong.values()):
        listed = "; ".join(
            f"{problem}: {_some(names)}" for problem, names in wrong.items() if names
        )
        raise RoadshiftError(
            f"{file}: its labels differ from those of the encoding '{name}' ({listed}); put the "
            "publisher's file of that version there, or correct the encoding"
        )
    values: Rows = [(position, universal[label]) for position, label in enumerate(labels)]
    content = {"kind": table.kind, "values": values, "source": table.source}
    return checked_encoding(content, str(file))


def _labels_in(file: Path) -> list[str]:
    if not file.is_file():
        raise RoadshiftError(
            f"{file}: missing; a label's id is its position in this file: add the publisher's "
            "file to the archive or folder that the set comes from"
        )
    content = load_json(file)
    try:
        labels = [label["name"] for label in content["labels"]]
    except (KeyError, TypeError):
        labels = []
    if not labels or not all(isinstance(label, str) for label in labels):
        form = '{"labels": [{"name": …}, …]}'
        raise RoadshiftError(
            f"{file}: expected the form {form}; replace it by the publisher's file"
        )
    return labels


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(f"'{name}'" for name in names[:3]) + more
