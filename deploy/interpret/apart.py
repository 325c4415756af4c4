"""An explanation in a process of its own, which a damaged file may end without ending ours.

python -m hintlite.deploy.interpret.apart FOLDER     (that process; FOLDER holds files and samples)
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hintlite.deploy.interpret.runtime import Progress
from hintlite.deploy.tflite.graph import ModelError
from hintlite.errors import HintliteError

_EVERY = 50  # inferences between two lines about progress


def explain_apart(
    float_file: bytes,
    int8_file: bytes,
    samples: NDArray[np.float32],
    labels: NDArray[np.int64] | None = None,
    *,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """What `explain` gives as plain data, for files of unknown origin.

    Args, Raises: see `explain`; a process that dies is a ModelError, too.
    """
    with tempfile.TemporaryDirectory(prefix="hintlite-") as name:
        folder = Path(name)
        (folder / "float.tflite").write_bytes(float_file)
        (folder / "int8.tflite").write_bytes(int8_file)
        arrays = {"x": samples} | ({} if labels is None else {"y": labels})
        np.savez(folder / "samples.npz", allow_pickle=False, **arrays)
        with (folder / "errors.txt").open("w") as errors:
            # -P: what lies in the user's working folder must not be taken for a package.
            command = [sys.executable, "-P", "-m", "hintlite.deploy.interpret.apart", str(folder)]
            child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
            try:
                assert child.stdout is not None
                _follow(child.stdout, progress)
                code = child.wait()
            finally:
                child.kill()
                child.wait()
        return _answer(folder, code)


def _follow(lines: IO[str], progress: Progress | None) -> None:
    for line in lines:
        done, total = line.split()
        if progress:
            progress(int(done), int(total))


def _answer(folder: Path, code: int) -> dict[str, Any]:
    place = folder / "answer.json"
    if code != 0 or not place.exists():
        last = (folder / "errors.txt").read_text().strip().splitlines()[-1:]
        how = f"by signal {-code}" if code < 0 else f"with code {code}"
        raise ModelError(
            f"LiteRT ended {how} while it ran these files ({' '.join(last) or 'it said nothing'}): "
            "one of them is damaged, or too large for this machine."
        )
    answer: dict[str, Any] = json.loads(place.read_text())
    if "error" in answer:
        raise ModelError(answer["error"])
    return answer


def main(folder: Path) -> None:
    """Explains the files of a folder and leaves answer.json there."""
    from hintlite.deploy.explain.explain import explain

    with np.load(folder / "samples.npz", allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    try:
        result = explain(
            (folder / "float.tflite").read_bytes(),
            (folder / "int8.tflite").read_bytes(),
            arrays["x"],
            arrays.get("y"),
            progress=_tell,
        )
        answer = result.to_dict()
    except HintliteError as error:
        answer = {"error": str(error)}
    (folder / "answer.json").write_text(json.dumps(answer, allow_nan=False))


def _tell(done: int, total: int) -> None:
    if done % _EVERY == 0 or done == total:
        print(done, total, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
