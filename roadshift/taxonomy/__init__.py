"""Class tables: universal names, taxonomies, and the lookup tables made from them."""

from roadshift.taxonomy.partial import (
    PartialLabel,
    is_wrong,
    joined_classes,
    joined_name,
    scored_ids,
    split_joined,
    spread_pixels,
)
from roadshift.taxonomy.table import (
    ACCEPT,
    IGNORE_ID,
    Taxonomy,
    coarse_names,
    load_taxonomy,
    meant_name,
    not_universal,
    taxonomy_names,
    universal_names,
)

__all__ = [
    "ACCEPT",
    "IGNORE_ID",
    "PartialLabel",
    "Taxonomy",
    "coarse_names",
    "is_wrong",
    "joined_classes",
    "joined_name",
    "load_taxonomy",
    "meant_name",
    "not_universal",
    "scored_ids",
    "split_joined",
    "spread_pixels",
    "taxonomy_names",
    "universal_names",
]
