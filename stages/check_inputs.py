"""Looks at what decides results and is neither in params.yaml nor in Git; runs at every repro."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from roadshift.atomic import atomic_folder
from roadshift.checksum import sha256_of
from roadshift.datasets.card import Card, load_card
from roadshift.datasets.card_parts import description, origin, reading
from roadshift.download.fetch import MIRROR_VARIABLE, Places
from roadshift.download.local_files import local_files
from roadshift.environment import arithmetic_settings
from stages import paths
from stages.entry import run
from stages.params import Params


def main(params: Params) -> None:
    """Write digests of each role's card and local files, of weights, and of the environment."""
    with atomic_folder(paths.INPUTS) as folder:
        for part in ("domains", "cards", "descriptions"):
            (folder / part).mkdir()
        for role, name in params.domains.items():
            card = load_card(name)
            _write(folder, f"domains/{role}.json", _files_of(role, name, card))
            _write(folder, f"cards/{role}.json", reading(card))
            _write(folder, f"descriptions/{role}.json", description(card))
        _write(folder, "weights.json", _weights(params.model.weights))
        _write(folder, "runtime.json", arithmetic_settings())


def _files_of(role: str, name: str, card: Card) -> dict[str, Any]:
    """Describes what a role's set is made from, by digests: its card, and files on this machine."""
    places = Places(paths.BY_HAND, paths.downloads(role), os.environ.get(MIRROR_VARIABLE))
    files = local_files(card, places)
    content = {"of": name, "card": _digest(origin(card)), "sha256": None}
    return content if files is None else content | {"sha256": _digest(files), "files": len(files)}


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _weights(weights: str) -> dict[str, Any]:
    """Describes the file of the first weights by its content."""
    file = Path(weights)
    if not file.suffix:
        return {"of": weights}
    return {"of": weights, "sha256": sha256_of(file) if file.is_file() else None}


def _write(folder: Path, name: str, content: dict[str, Any]) -> None:
    """Writes a digest, or the one before if its files are not on this machine any more.

    They may never have been: what was made from them can come from DVC's cache.
    """
    before = paths.INPUTS / name
    if content.get("sha256", "") is None and before.is_file():
        found = json.loads(before.read_text("utf-8"))
        if found["of"] == content["of"] and found["sha256"]:
            print(f"{content['of']}: not on this machine; what was made from it before is kept")
            content = found | content | {"sha256": found["sha256"]}
    (folder / name).write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    run(main)
