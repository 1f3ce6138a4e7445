"""The layout of a data set: patterns of the paths of its images and labels."""

import re
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import Field, model_validator

from roadshift.settings import Settings

NO_LABEL = "none"
"""Value of `label` in a layout whose images have no labels, and then the name of the encoding."""


class Layout(Settings):
    """Patterns of the paths of images and labels, with `{id}`, `{split}`, `{group}` and `{part}`.

    A `*` stands for any characters but '/'; an image and its label may differ in them.

    Attributes:
        root: folder that the patterns are relative to, within the set's folder.
        image: pattern of the images' paths.
        label: pattern of the labels' paths, with the same placeholders. `{part}` stands for any
            other part of the path that an image and its label share. Without `{id}` it is that of
            JSON files, each with the labels of many images; they may have `{split}` where images
            do not, whose split is that of the file with their annotations. 'none' says that the
            images have no labels.
        annotations: pattern of the JSON files with the categories of panoptic labels, or of the
            tables beside those of `label`, with placeholders of `label` but `{id}`; None for other
            labels.
        id: regular expression of a whole id; files with other ids are left out.
        exclude: ids of samples that are left out, as the manifest has them: with the group and a
            '/' in front if `{group}` is in the patterns.
        group: regular expression that is searched in the id; its first group is the drive or city.
        skip_unlabelled: whether images without a label are left out, and counted; else, which is
            the default, they are a fault.
    """

    root: str = "."
    image: str
    label: str
    annotations: str | None = None
    id: str = "[^/]+"
    exclude: Annotated[tuple[str, ...], Field(strict=False)] = ()
    group: str | None = None
    skip_unlabelled: bool = False

    @model_validator(mode="after")
    def _patterns_agree(self) -> "Layout":
        parts, label, annotations = (
            set(re.findall(r"{(.*?)}", pattern))
            for pattern in (self.image, self.label, self.annotations or "")
        )
        if not self.has_labels:
            label |= parts
        for pattern, found in ((self.image, parts), (self.label, label)):
            if pattern.startswith("/"):
                raise ValueError(f"'{pattern}' is absolute; give a path relative to root")
            is_shared = pattern == self.label and self.is_shared
            if not ("id" in found or is_shared) or found - {"id", "split", "group", "part"}:
                raise ValueError(
                    f"'{pattern}' needs {{id}}, and can have {{split}}, {{group}} and {{part}}"
                )
        needed = parts - {"id"} if self.is_shared else parts
        # Of files with the labels of many images, the one that lists an image may tell its split.
        if not needed <= label <= (needed | {"split"} if self.is_shared else needed):
            raise ValueError(f"'{self.image}' and '{self.label}' must have the same placeholders")
        if annotations - (label - {"id"}):
            raise ValueError(f"annotations '{self.annotations}' has other placeholders than label")
        return self

    @property
    def has_labels(self) -> bool:
        """Whether the images have labels."""
        return self.label != NO_LABEL

    @property
    def is_shared(self) -> bool:
        """Whether a label file, which is JSON then, has the labels of many images."""
        return self.label.endswith(".json") and "{id}" not in self.label

    def in_set(self, path: str) -> str:
        """Returns a path relative to the root as one relative to the set's folder."""
        root = PurePosixPath(self.root)
        return f"{root}/{path}" if root.parts else path

    def in_root(self, path: str) -> str:
        """Returns a path relative to the set's folder as one relative to the root."""
        return PurePosixPath(path).relative_to(self.root).as_posix()
