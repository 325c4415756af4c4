"""Writing a file, or a folder of files, whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a text file beside its place and rename it, in UTF-8.

    Args:
        path: its folder is made if need be; a file that is there stays where writing fails.
        text: the content.

    Raises:
        OSError: the disk is full, or the place is not writable.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(path.name + ".tmp")
    with aside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(aside, path)


def replace_folder(target: Path, files: Mapping[str, bytes]) -> None:
    """Write all files into a folder beside the target, then rename it to the target.

    Args:
        target: replaced with all that is in it; stays as it was where writing fails.
        files: plain file name -> content.

    Raises:
        OSError: the disk is full, or the place is not writable.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    token = secrets.token_hex(4)
    fresh, old = (target.with_name(f".{target.name}.{kind}-{token}") for kind in ("new", "old"))
    fresh.mkdir()
    try:
        for name, content in files.items():
            (fresh / name).write_bytes(content)
        if target.exists():
            os.replace(target, old)
        os.replace(fresh, target)
    except BaseException:
        if old.exists() and not target.exists():
            os.replace(old, target)
        raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
