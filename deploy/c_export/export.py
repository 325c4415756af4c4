"""One call from a .tflite to a folder of C."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hintlite.deploy.bundle.facts import read_facts
from hintlite.deploy.c_export import emit
from hintlite.deploy.c_export.errors import PlaceError
from hintlite.deploy.c_export.kit import Kit, kit_sources, make_kit
from hintlite.deploy.c_export.lower import lower
from hintlite.deploy.c_export.plan import plan_memory
from hintlite.deploy.c_export.read import read_model
from hintlite.files import folder_aside


@dataclass(frozen=True)
class CExport:
    """What was written.

    Args:
        folder: where the sources are.
        name: prefix of the files and of the interface.
        layers: the operators in order, such as "CONV_2D"; the layers that a profile counts.
        files: names of all files in the folder.
        arena_bytes: activations and scratch buffers together.
        lower_bound_bytes: the most of them that is in use at once; no plan is smaller.
        weight_bytes: int8 weights and int32 biases.
    """

    folder: Path
    name: str
    layers: tuple[str, ...]
    files: tuple[str, ...]
    arena_bytes: int
    lower_bound_bytes: int
    weight_bytes: int


def lower_network(model: bytes | str | Path, name: str) -> emit.Network:
    """Read, lower and plan a model without writing anything.

    Args:
        model: a .tflite file's content or path.
        name: prefix of the C interface.

    Returns:
        The network, ready to be written.

    Raises:
        ExportError: the model or the name cannot become C.
    """
    emit.check_name(name)
    graph = read_model(model)
    steps = lower(graph)
    return emit.Network(name, graph, steps, plan_memory(graph, steps))


def export_c(model: bytes | str | Path, folder: str | Path, name: str = "network") -> CExport:
    """Write a model as plain C with its kernels, an example, a Makefile and a CMakeLists.txt.

    Of a file in a bundle, the labels, the way from raw values to its input and a sample with the
    expected output are written too, and the example runs on that sample.

    Args:
        model: a full-INT8 .tflite file's content or path.
        folder: must not exist or be empty; it appears complete or not at all.
        name: prefix of the files and of the interface, small letters.

    Returns:
        What was written.

    Raises:
        ExportError: the model cannot become C; the message names the operator. Or the folder holds
            something.
        BundleError: the bundle around the file is damaged.
    """
    target = Path(folder)
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise PlaceError(
            f"{target} is {'not empty' if target.is_dir() else 'a file'}, and nothing of it is "
            "replaced: name a folder that is new or empty"
        )
    network = lower_network(model, name)
    kit = None if isinstance(model, bytes) else _kit(network, Path(model))
    with folder_aside(target) as place:
        files = write_sources(network, place, kit)
    return CExport(
        folder=target,
        name=name,
        layers=tuple(step.operator.name for step in network.steps),
        files=tuple(files),
        arena_bytes=network.plan.arena_bytes,
        lower_bound_bytes=network.plan.lower_bound,
        weight_bytes=emit.weight_bytes(network),
    )


def _kit(network: emit.Network, model: Path) -> Kit | None:
    facts = read_facts(model)
    return None if facts is None else make_kit(network, model.read_bytes(), facts)


def write_sources(network: emit.Network, folder: Path, kit: Kit | None = None) -> list[str]:
    """Write all files into an existing folder; returns their names in order.

    Args:
        network: the model.
        folder: where to.
        kit: what a bundle knows of the model.
    """
    source, weights = emit.network_source(network)
    kernels = emit.kernel_files(network.steps)
    sources = [f for f in kernels if f.endswith(".c")]
    texts = {
        f"{network.name}.h": emit.header_source(network),
        f"{network.name}.c": source,
        f"{network.name}_weights.c": weights,
        "example.c": emit.build_source("example.c", network, sources),
        "Makefile": emit.build_source("Makefile", network, sources),
        "CMakeLists.txt": emit.build_source("CMakeLists.txt", network, sources),
    }
    if kit is not None:
        texts |= kit_sources(network, kit)
    for file in kernels:
        texts[file] = (emit.RUNTIME / file).read_text(encoding="utf-8")
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8")
    return sorted(texts)
