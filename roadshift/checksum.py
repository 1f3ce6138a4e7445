"""Checksums of files and folders."""

import hashlib
import json
from pathlib import Path


def sha256_of(file: Path) -> str:
    """Returns the SHA-256 of a file as hexadecimal digits."""
    digest = hashlib.sha256()
    with file.open("rb") as content:
        while block := content.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def folder_digest(folder: Path) -> str:
    """Returns one SHA-256, hexadecimal, of the path and content of every file in a folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    content = [[file.relative_to(folder).as_posix(), sha256_of(file)] for file in files]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def dvc_hash(path: Path) -> str:
    """Returns the hash of a file or folder that DVC will write to `dvc.lock`."""
    if path.is_file():
        return _md5(path.read_bytes())
    files = sorted(
        (file.relative_to(path).parts, file) for file in path.rglob("*") if file.is_file()
    )
    entries = [
        {"md5": _md5(file.read_bytes()), "relpath": "/".join(parts)} for parts, file in files
    ]
    return _md5(json.dumps(entries, sort_keys=True).encode()) + ".dir"


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
