"""Optuna's side of a tuning: the storage, the distributions, and who proposes what is tried."""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import sys
import warnings
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hintlite.pipeline.app.experiments.tuning.search import Choices, Space
from hintlite.pipeline.app.run.folder import RunError

if TYPE_CHECKING:
    import optuna

    from hintlite.pipeline.app.experiments.tuning.definition import Pruning

NAME = "tune"
WAIT_S = 60  # for another process to end its writing
INSTALL = f"{sys.executable} -m pip install 'optuna>=5,<6'"


@cache
def library() -> ModuleType:
    """Optuna, which keeps quiet.

    Raises:
        RunError: it is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise RunError(f"hintlite tune needs the package optuna: {INSTALL}") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    return optuna


def open_study(database: Path, pruning: Pruning | None) -> optuna.Study:
    """The trials in a database, which is made if it is missing."""
    found = library()
    pruner = found.pruners.NopPruner()
    if pruning is not None:
        pruner = found.pruners.MedianPruner(pruning.trials, pruning.epochs)
    storage = found.storages.RDBStorage(
        f"sqlite:///{database}", engine_kwargs={"connect_args": {"timeout": WAIT_S}}
    )
    study: optuna.Study = found.create_study(
        storage=storage,
        study_name=NAME,
        direction="maximize",
        load_if_exists=True,
        pruner=pruner,
        sampler=found.samplers.RandomSampler(0),
    )
    return study


def sampler(begun: int) -> optuna.samplers.BaseSampler:
    """Proposes the next trial (TPE, Bergstra et al. 2011).

    Args:
        begun: trials so far. The seed follows from it, so that neither a second process nor a
            command that goes on draws the same numbers again; hashed, for the first numbers of
            Mersenne twisters with neighbouring seeds are alike.
    """
    seed = int.from_bytes(hashlib.sha256(str(begun).encode()).digest()[:4])
    proposer: optuna.samplers.BaseSampler = library().samplers.TPESampler(
        seed=seed, constant_liar=True
    )
    return proposer


def points(search: Mapping[str, Space], most: int) -> list[dict[str, Any]]:
    """Every combination of a search by choices alone, as Optuna's parameters, the file's order.

    Args:
        search: what is searched.
        most: combinations; none are returned where there are more, or a range is searched.
    """
    spaces = [space.values for space in search.values() if isinstance(space, Choices)]
    if len(spaces) < len(search) or math.prod(map(len, spaces)) > most:
        return []
    return [dict(zip(search, each, strict=True)) for each in itertools.product(*spaces)]


def distributions(search: Mapping[str, Space]) -> dict[str, Any]:
    """The search as Optuna knows it."""
    return {name: _distribution(space) for name, space in search.items()}


def values(parameters: Mapping[str, Any], search: Mapping[str, Space]) -> dict[str, Any]:
    """Optuna's parameters as values of settings."""
    return {
        name: json.loads(value) if isinstance(search[name], Choices) else value
        for name, value in parameters.items()
    }


def parameters(values: Mapping[str, Any], search: Mapping[str, Space]) -> dict[str, Any] | None:
    """Values of settings as Optuna's parameters; None if they lie outside the search."""
    found = {
        name: json.dumps(values[name]) if isinstance(space, Choices) else values[name]
        for name, space in search.items()
    }
    inside = all(_contains(_distribution(space), found[name]) for name, space in search.items())
    return found if inside else None


def _contains(distribution: Any, value: Any) -> bool:
    if hasattr(distribution, "choices"):
        return value in distribution.choices
    number = isinstance(value, (int, float))
    return bool(number and distribution._contains(distribution.to_internal_repr(value)))


def _distribution(space: Space) -> Any:
    kinds = library().distributions
    if isinstance(space, Choices):
        return kinds.CategoricalDistribution(space.values)
    if space.whole:
        return kinds.IntDistribution(
            int(space.low), int(space.high), log=space.log, step=int(space.step or 1)
        )
    return kinds.FloatDistribution(space.low, space.high, log=space.log, step=space.step)
