"""What a check of a data set finds."""

from collections.abc import Sequence
from dataclasses import dataclass, field

FAULTS = {
    "encoding": "the label encoding cannot be read",
    "unreadable_folder": "folders that cannot be read, and links that lead nowhere",
    "name": "names that no manifest can hold",
    "twice": "two files for one image, or two images for one label",
    "no_image": "no image fits the layout",
    "no_label": "no image has a label",
    "exclude": "ids to leave out that no image has",
    "image_without_label": "images without a label",
    "label_without_image": "labels without an image",
    "split": "the set cannot be split",
    "unreadable_image": "images that cannot be read",
    "unreadable_label": "labels that cannot be read",
    "lossy_label": "labels with lossy compression",
    "size": "labels of another size than their image",
    "unknown_value": "values that the encoding lacks",
}
"""What stops the workflow, by kind, in the order in which it is listed."""
WARNINGS = {
    "near_copy": "near copies in two splits",
    "duplicate": "images with the same pixels",
    "specks": "labels with specks, as after resizing or lossy saving",
    "blank_image": "images of one colour",
    "count": "numbers of images that differ from the publisher's",
    "left_out": "files that are left out",
}
"""What does not stop the workflow, by kind."""
KINDS = {**FAULTS, **WARNINGS}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a set, or looks wrong.

    Attributes:
        kind: key of `KINDS`.
        message: what is wrong, without what its kind says.
        files: the files, relative to the set's folder; the first is the one to look at.
        splits: split of each file, for copies; empty for others.
        pixels: number of pixels by file, for an unknown value; empty for others.
        measure: correlation of near copies, or specks at 1000 boundary steps; None for others.
    """

    kind: str
    message: str
    files: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    pixels: dict[str, int] = field(default_factory=dict)
    measure: float | None = None

    @property
    def is_fault(self) -> bool:
        """Whether it stops the workflow; a warning does not."""
        return self.kind in FAULTS


@dataclass(frozen=True)
class SetReport:
    """What a check of a data set found.

    Attributes:
        images: number of images with a label.
        splits: number of these by split; empty if the set cannot be split.
        findings: all findings, faults first, in the order of `KINDS`.
    """

    images: int
    splits: dict[str, int]
    findings: Sequence[Finding]

    @property
    def faults(self) -> list[Finding]:
        """The findings that stop the workflow."""
        return [finding for finding in self.findings if finding.is_fault]

    @property
    def warnings(self) -> list[Finding]:
        """The findings that do not stop the workflow."""
        return [finding for finding in self.findings if not finding.is_fault]
