"""The user's own networks, looked at before anything is loaded: files, and layers to be tapped."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from hintlite.models.keras_input import layer_names
from hintlite.pipeline.app.errors import WrongUseError
from hintlite.pipeline.app.run.context import lacking
from hintlite.pipeline.app.run.folder import RunFolder
from hintlite.pipeline.runs.layout import teacher_stages
from hintlite.pipeline.settings.run import RunConfig


def check_networks(config: RunConfig, folder: RunFolder) -> None:
    """Refuses files that are missing, unless the run has used them, and layers that are not there.

    Raises:
        WrongUseError: says which setting names it.
    """
    stages = {
        "teacher": teacher_stages(config.teacher_members),
        "student": tuple(f"distill/{arm}" for arm in config.arms),
    }
    for which, made in stages.items():
        network = getattr(config, which)
        if network.path is None:
            continue
        path = Path(network.path)
        if path.is_file():
            _check_layers(path, [*_taps(config, which)])
        elif not any(_was_made_of(folder, stage, network.path) for stage in made):
            raise WrongUseError(f"{which}.path {path}: {lacking(folder.path)}")


def _was_made_of(folder: RunFolder, stage: str, path: str) -> bool:
    record = folder.found(stage)
    return record is not None and record.get("origin", {}).get("file") == path


def _taps(config: RunConfig, which: str) -> Iterator[tuple[str, str]]:
    """The setting and the layer of each tap."""
    for name, layer in getattr(config, which).taps.items():
        yield f"{which}.taps.{name}", layer


def _listed(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"it has {', '.join(names[:_SHOWN])}{more}"


_SHOWN = 12  # layers in a message


def _check_layers(path: Path, taps: list[tuple[str, str]]) -> None:
    """The first name of each path must be a layer's; what is below it is told when it is loaded."""
    known = layer_names(path) if taps else None
    for setting, layer in taps if known is not None else ():
        first = layer.partition("/")[0]
        if known is not None and first not in known:
            near = difflib.get_close_matches(first, known, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else _listed(known)
            raise WrongUseError(f"{setting}: {path} has no layer {first!r}; {hint}")
