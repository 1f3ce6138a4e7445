"""The patterns of a layout, as regular expressions and globs."""

import re
from pathlib import PurePosixPath

from roadshift.datasets.layout import Layout


def literal_folder(pattern: str) -> PurePosixPath:
    """Returns the folders that a pattern begins with and that have no placeholder."""
    parts = PurePosixPath(pattern).parent.parts
    literal = [not set("{*") & set(part) for part in parts]
    return PurePosixPath(*parts[: [*literal, False].index(False)])


def pattern_regex(layout: Layout, pattern: str, flags: int = 0) -> re.Pattern[str]:
    """Returns a layout pattern as a regular expression with a named group a placeholder.

    Args:
        layout: the layout, for the form of ids.
        pattern: its pattern of images, of labels or of annotations.
        flags: further flags of the expression.
    """
    seen: set[str] = set()

    def placeholder(match: re.Match[str]) -> str:
        name = match[1]
        repeated = name in seen
        seen.add(name)
        form = layout.id if name == "id" else "[^/]+"
        return f"(?P={name})" if repeated else f"(?P<{name}>{form})"

    # Cameras and Windows write suffixes in upper case, too.
    suffix = PurePosixPath(pattern).suffix
    suffix = "" if set("{*") & set(suffix) else suffix
    escaped = re.escape(pattern.removesuffix(suffix)).replace(r"\*", "[^/]*")
    plain = re.sub(r"\\{(\w+)\\}", placeholder, escaped)
    # A dot stands for a line break, too, so that a name with one is refused and not left out.
    return re.compile(f"{plain}(?i:{re.escape(suffix)})", re.DOTALL | flags)


def parts_of(layout: Layout, pattern: str, path: str) -> dict[str, str]:
    """Returns the values of a pattern's placeholders in a path; empty for one that does not fit."""
    match = pattern_regex(layout, pattern).fullmatch(path)
    return match.groupdict() if match else {}


def glob_of(pattern: str) -> str:
    """Returns a glob that finds all paths of a pattern, and maybe others."""
    return re.sub(r"{\w+}", "*", pattern)
