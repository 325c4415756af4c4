"""by_hand: the bundle as one zip, for those who copy it themselves."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import Stage
from hintlite.pipeline.app.run.stages import bundle

NAME = "by_hand"
README = "README.txt"
DATE = (1980, 1, 1, 0, 0, 0)  # the same contents give the same bytes
TEXT = """A model for this device, and what measures it.

    python3 -m zipfile -e {name}.zip .      unpacks it (or: unzip {name}.zip)
    cd {name}
    python3 bench_tflite.py --json result.json
    python3 predict.py picture.png          the label of a picture, or of an .npy of raw values

Both need Python 3.7 or newer, numpy and a TFLite runtime (predict.py of pictures also Pillow):

  64 bits, Python 3.9 or newer (Raspberry Pi OS Bookworm and Trixie, 64-bit):
    sudo apt-get install -y python3-venv
    python3 -m venv ~/hintlite-python
    ~/hintlite-python/bin/pip install ai-edge-litert numpy
  32 bits, Python 3.7 to 3.11 (Raspberry Pi OS Bookworm and older, 32-bit):
    sudo apt-get install -y python3-venv python3-numpy
    python3 -m venv --system-site-packages ~/hintlite-python
    ~/hintlite-python/bin/pip install tflite-runtime

and are then run as ~/hintlite-python/bin/python bench_tflite.py. Its --help lists what it can do;
its last lines tell how far the figures can be trusted, and what to do about it.
"""


def stage(context: Context) -> Stage:
    """The stage that writes <run>.zip."""
    name = f"hintlite-{context.folder.path.resolve().name}"
    return Stage(
        name=NAME,
        version=2,
        settings={"name": name},
        inputs=(bundle.NAME,),
        libraries=(),
        work=lambda folder: _work(context, name, folder),
    )


def _work(context: Context, name: str, folder: Path) -> None:
    with context.terminal.task("zip for a device") as bar:
        content = zip_of(name, context.folder.path / bundle.DEVICE)
        (folder / f"{name}.zip").write_bytes(content)
        bar.note = f"{len(content):,} bytes; copy it and see {README} in it"


def zip_of(name: str, place: Path) -> bytes:
    """A bundle's own files, as its manifest names them, and how to use them.

    Args:
        name: of the folder in the zip.
        place: of the bundle.
    """
    from hintlite.deploy.bundle.manifest import MANIFEST, read_manifest

    names = (MANIFEST, *read_manifest(place)["files"])
    files = {each: (place / each).read_bytes() for each in names}
    return to_zip(name, files | {README: TEXT.format(name=name).encode()})


def to_zip(name: str, files: dict[str, bytes]) -> bytes:
    """A zip with everything in one folder.

    Args:
        name: of the folder.
        files: name -> content.
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, content in sorted(files.items()):
            info = zipfile.ZipInfo(f"{name}/{file}", DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, content)
    return buffer.getvalue()
