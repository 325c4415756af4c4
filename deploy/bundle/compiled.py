"""A bundle that also holds its model compiled for an accelerator, signed by the same manifest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from hintlite.deploy.bundle.bundle import check_bundle
from hintlite.deploy.bundle.manifest import MANIFEST, BundleError, is_plain_name, read_manifest
from hintlite.files import replace_folder


def add_compiled(
    bundle: Path,
    target: Path,
    model: str,
    name: str,
    content: bytes,
    facts: Mapping[str, object],
) -> None:
    """Write a bundle's files and one more; equal bundles and models give equal bytes.

    The compiled model stands in the manifest's "files" with its hash, and in the table "compiled"
    with the file that it was made from: it runs on the accelerator alone, so that no outputs are
    expected of it and tools for the host leave it alone.

    Args:
        bundle: a sound bundle.
        target: the folder to write; whole or not at all.
        model: the file of the bundle that was compiled.
        name: the compiled model's file name.
        content: its bytes.
        facts: what it was compiled for, as JSON can hold it.

    Raises:
        BundleError: the bundle is damaged, does not hold the model, or has a file of that name.
    """
    problems = check_bundle(bundle)
    if problems:
        raise BundleError(f"{bundle}: {problems[0]} Make the bundle again.")
    manifest = read_manifest(bundle)
    if model not in manifest["models"]:
        raise BundleError(f"{bundle} holds {', '.join(manifest['models'])}, no model {model}.")
    if not is_plain_name(name) or name in manifest["files"]:
        raise BundleError(f"{name!r} is no new plain file name of the bundle {bundle}.")
    files = {each: (bundle / each).read_bytes() for each in manifest["files"]} | {name: content}
    manifest["files"][name] = {
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
    }
    manifest["compiled"] = {name: {"from": model, **facts}}
    text = json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    replace_folder(target, {**files, MANIFEST: f"{text}\n".encode()})
