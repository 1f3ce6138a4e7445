"""A network with the taxonomy that it speaks of."""

from pathlib import Path
from typing import Any

import keras

from roadshift.errors import RoadshiftError
from roadshift.networks.files import load_network
from roadshift.networks.network import class_names_of, taxonomy_of
from roadshift.taxonomy import Taxonomy, load_taxonomy


def load_with_taxonomy(path: Path) -> tuple[keras.Model, Taxonomy]:
    """Reads a network and the table of its classes.

    Raises:
        RoadshiftError: the file is missing, damaged or not roadshift's, or its classes are not
            those of a taxonomy that there is.
    """
    network = load_network(path)
    name, class_names = taxonomy_of(network), class_names_of(network)
    if not name:
        raise RoadshiftError(f"{path}: does not say which taxonomy its classes are of")
    try:
        taxonomy = load_taxonomy(name)
    except RoadshiftError as error:
        raise RoadshiftError(f"{path}: its taxonomy: {error}") from None
    if taxonomy.class_names != class_names:
        raise RoadshiftError(
            f"{path}: its classes are not those that the taxonomy '{name}' has now; train it again"
        )
    return network, taxonomy


def class_list(taxonomy: Taxonomy) -> list[dict[str, Any]]:
    """The classes in the order of their ids, for files that travel without their taxonomy."""
    return [
        {"id": class_id, "name": name, "colour": list(entry.colour)}
        for class_id, (name, entry) in enumerate(taxonomy.classes.items())
    ]
