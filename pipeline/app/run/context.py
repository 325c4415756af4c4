"""What every stage of a run is given."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.errors import HintliteError
from hintlite.keyed import keyed
from hintlite.pipeline.app.run.console import Terminal
from hintlite.pipeline.app.run.folder import RunError, RunFolder
from hintlite.pipeline.app.run.samples import RunSamples
from hintlite.pipeline.runs.layout import SETTINGS, TEACHER, teacher_stages
from hintlite.pipeline.settings.run import RunConfig

if TYPE_CHECKING:
    import keras

    from hintlite.pipeline.data.training_data import KeptData, TrainingData
    from hintlite.pipeline.training.checkpoint import Row

TRAINING_LIBRARIES = ("keras", "tensorflow", "numpy")
CONVERSION_LIBRARIES = ("keras", "tensorflow", "ai-edge-litert", "numpy")


class StageError(HintliteError):
    """A stage whose outcome is not good enough to go on with."""


class Context:
    """A run: its settings, its folder, the user's terminal, and its data, loaded once.

    Args:
        config: the settings.
        folder: where the stages are kept.
        terminal: shows progress.
        samples: where the samples come from; from the place that the settings name if None.
        logs: where TensorBoard logs go; none are written if None.
        models: what is converted, evaluated and benchmarked; the teacher and the arms if None.
        at_epoch: is told each row of a student's history; what it raises ends the training.

    Attributes:
        has_tensorflow: whether TensorFlow is loaded as the settings want it.
    """

    def __init__(
        self,
        config: RunConfig,
        folder: RunFolder,
        terminal: Terminal,
        samples: RunSamples | None = None,
        logs: Path | None = None,
        models: tuple[str, ...] | None = None,
        at_epoch: Callable[[Row], None] | None = None,
    ) -> None:
        from hintlite.pipeline.app.run.cache_place import disk

        self.config, self.folder, self.terminal = config, folder, terminal
        self.logs = logs
        self.models = models or (TEACHER, *config.arms)
        self.at_epoch = at_epoch
        self.has_tensorflow = False
        self.samples = samples or RunSamples(config.data, folder, disk=disk(config, folder.path))

    @property
    def data(self) -> TrainingData:
        """Training, validation and calibration samples; the test samples are not among them.

        Raises:
            RunError: they are gone, or have changed since the run was made.
            DataError: they cannot be used.
        """
        return self.samples.data

    @property
    def kept(self) -> KeptData:
        """What the run keeps of the samples: enough for all stages after the training."""
        return self.samples.kept

    @property
    def teachers(self) -> tuple[str, ...]:
        """Names of the teacher stages, one a member."""
        return teacher_stages(self.config.teacher_members)

    def settings(self, *names: str) -> dict[str, Any]:
        """The named parts of the settings, as plain data for a stage's key."""
        everything = keyed(self.config)
        for network in ("teacher", "student"):
            everything[network].pop("path")  # the hash of the file is part of the key
            if everything[network]["times_fewer"] is None:
                everything[network].pop("channel_multiple")  # of widths that are scaled
        return {name: everything[name] for name in (*names, "deterministic") if name in everything}

    def training_samples(self) -> dict[str, Any]:
        """What a training depends on of the data: all but the calibration samples."""
        settings = keyed(self.config.data)
        settings.pop("path")  # contents decide
        settings.pop("calibration_samples")  # drawn apart from the other parts: moves nobody
        return {"data": settings, "fingerprint": self.samples.fingerprint}

    def file_hash(self, path: str, stage: str) -> str:
        """sha256 of a file of the user's; where it is gone, as the stage made of it recorded it.

        Args:
            path: of the file, absolute.
            stage: whose record has it: its path in `origin`, its hash in `settings`, as "file".

        Raises:
            RunError: it is gone, and nothing was made of it.
        """
        if Path(path).is_file():
            return hashlib.sha256(Path(path).read_bytes()).hexdigest()
        record = self.folder.found(stage)
        if record is None or record.get("origin", {}).get("file") != path:
            raise RunError(f"{path}: {lacking(self.folder.path)}")
        return str(record["settings"]["file"])

    def imported(self) -> dict[str, Any]:
        """For a stage's key: the sources of the user's modules whose classes a file may hold."""
        from hintlite.pipeline.methods.outside import imported

        return imported(self.config.imports)

    def file(self, stage: str, name: str) -> Path:
        """A file of a complete stage."""
        return self.folder.place(stage) / name

    def teacher(self) -> keras.Model:
        """The trained teacher: one network with taps, or the ensemble of several."""
        from hintlite.models.ensemble import ensemble

        members = [load_network(self.file(name, "network.keras")) for name in self.teachers]
        return ensemble(members, self.config.hint_member)


def lacking(run: Path) -> str:
    """What to say of a file of the user's that is not there."""
    made = f", and {run} has nothing made of it" if (run / SETTINGS).is_file() else ""
    return f"there is no such file{made}; name another"


def load_network(path: Path) -> keras.Model:
    """Reads a `.keras` file, without running code that it may carry."""
    from hintlite.models.keras_file import read_keras_file

    return read_keras_file(str(path))


@contextmanager
def fresh_session(seed: int, precision: str = "float32") -> Iterator[None]:
    """Clean Keras state, seeded, so that a stage does not depend on those before it."""
    import keras

    before = keras.config.dtype_policy()
    keras.backend.clear_session()
    keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def commit() -> str | None:
    """The commit of this source tree, with "+changes" if it has uncommitted ones; else None."""
    here = Path(__file__).resolve().parents[3]
    if not (here / ".git").exists():
        return None
    try:
        head = _git(here, "rev-parse", "HEAD")
        changed = _git(here, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return head + ("+changes" if changed else "")


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *words], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()
