"""Class tables: universal names, taxonomies, and the lookup tables made from them."""

from roadshift.taxonomy.table import (
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
    "IGNORE_ID",
    "Taxonomy",
    "coarse_names",
    "load_taxonomy",
    "meant_name",
    "not_universal",
    "taxonomy_names",
    "universal_names",
]
