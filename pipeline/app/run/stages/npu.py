"""targets and mcu for an Ethos-U: Vela's estimates, the compiled model, and a bundle with it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hintlite.files import write_whole
from hintlite.pipeline.app.run.context import Context
from hintlite.pipeline.app.run.folder import RunError, Stage
from hintlite.pipeline.app.run.stages import bundle
from hintlite.pipeline.app.run.stages.measured import verdict_text, write_result
from hintlite.pipeline.runs.layout import RESULT

if TYPE_CHECKING:
    from hintlite.benchmarks.targets.base import BenchmarkResult

LAYERS = "per-layer.csv"
CONFIG = "vela.ini"  # the user's configuration, kept with the result
LIBRARIES = ("ethos-u-vela", "numpy", "tflite")
OPTIONS = ("system_config", "memory_mode", "vela_config")


def vela_options(options: Mapping[str, Any]) -> dict[str, str | None]:
    """Vela's part of a command's options."""
    return {name: options.get(name) for name in OPTIONS}


def known_options(context: Context, target: str) -> dict[str, str | None]:
    """The options that the target's stage was last made with; none if it was not."""
    try:
        settings = context.folder.record(f"targets/{target}")["settings"]
    except RunError:
        return dict.fromkeys(OPTIONS)
    known = {name: settings.get(name) for name in OPTIONS}
    if settings.get("vela_config_sha256"):
        known["vela_config"] = str(context.file(f"targets/{target}", CONFIG))
    return known


def stage(context: Context, target: str, options: Mapping[str, str | None]) -> Stage:
    """The stage that writes the estimates and the compiled model of one Ethos-U.

    Args:
        context: the run.
        target: its accelerator.
        options: system_config, memory_mode and vela_config, each None for Vela's own.
    """
    config = _read_config(options["vela_config"])
    settings = {"target": target} | {name: options[name] for name in OPTIONS[:2]}
    settings["vela_config_sha256"] = None if config is None else hashlib.sha256(config).hexdigest()
    return Stage(
        name=f"targets/{target}",
        version=1,
        settings=settings,
        inputs=(bundle.NAME,),
        libraries=LIBRARIES,
        work=lambda folder: _work(context, target, options, config, folder),
    )


def _read_config(path: str | None) -> bytes | None:
    from hintlite.benchmarks.targets.base import BenchmarkError

    if path is None:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise BenchmarkError(
            f"the Vela configuration {path} cannot be read: {error.strerror}"
        ) from error


def _work(
    context: Context,
    target: str,
    options: Mapping[str, str | None],
    config: bytes | None,
    folder: Path,
) -> None:
    device = context.folder.path / bundle.DEVICE
    bundle.int8_model(device)
    if config is not None:
        (folder / CONFIG).write_bytes(config)
        options = {**options, "vela_config": str(folder / CONFIG)}
    with context.terminal.task(f"{target}, estimated by Vela") as bar:
        found = estimate(device, target, options, folder)
        bar.note = f"{found.raw['cycles']:,} cycles an inference"


def estimate(
    model: Path, target: str, options: Mapping[str, str | None], folder: Path
) -> BenchmarkResult:
    """Compiles a bundle's model or a .tflite file, and writes what came of it into a folder.

    Raises:
        BenchmarkError: see `EthosUTarget`.
    """
    from hintlite.benchmarks.targets.base import BenchmarkRequest
    from hintlite.benchmarks.targets.ethos_u import EthosUTarget
    from hintlite.benchmarks.targets.vela import Options, layers_csv

    given = options["vela_config"]
    place = Path(given) if given else None
    npu = EthosUTarget(Options(target, options["system_config"], options["memory_mode"], place))
    result = npu.run(model, BenchmarkRequest())
    assert npu.compiled is not None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / compiled_name(_model_name(model))).write_bytes(npu.compiled.model)
    write_whole(folder / LAYERS, layers_csv(npu.compiled))
    write_result(result, folder / RESULT)
    return result


def _model_name(model: Path) -> str:
    return model.name if model.is_file() else bundle.int8_model(model).name


def compiled_name(model: str) -> str:
    """Name of the compiled model, as Vela calls it."""
    return model.removesuffix(".tflite") + "_vela.tflite"


def result(context: Context, target: str) -> dict[str, Any]:
    """What a complete stage of a target holds."""
    found: dict[str, Any] = json.loads(context.file(f"targets/{target}", RESULT).read_text())
    return found


def summary(found: Mapping[str, Any]) -> list[str]:
    """A result in lines for the terminal."""
    raw = found["raw"]
    memories = {
        "SRAM": raw["sram_bytes"],
        "DRAM": raw["dram_bytes"],
        "flash": raw["on_chip_flash_bytes"] + raw["off_chip_flash_bytes"],
    }
    used = ", ".join(f"{name} {count:,} bytes" for name, count in memories.items() if count)
    lines = [
        f"{found['target']}, estimated: {raw['cycles']:,} cycles, {raw['inference_time_us']:.1f} "
        f"us an inference at {raw['core_clock_hz'] / 1e6:g} MHz (Vela {raw['vela_version']}; "
        "nothing was run)",
        f"{used}; compiled model {raw['compiled_bytes']:,} bytes",
        f"system config {raw['system_config']}, memory mode {raw['memory_mode']}",
    ]
    lines += [_layer_line(layer, raw["cycles"]) for layer in raw["layers"]]
    lines += [
        f"on the CPU: {each['operator']} ({each['reason'] or 'Vela gives no reason'})"
        for each in raw["cpu_operators"]
    ]
    return [*lines, f"verdict: {verdict_text(found['verdict'])}"]


def _layer_line(layer: Mapping[str, Any], total: int) -> str:
    share = f"{layer['cycles'] / total:6.1%}" if total else ""
    return (
        f"  {layer['index']:3} {layer['operator']:20} {layer['target']} {layer['cycles']:10,} "
        f"cycles {share} {layer['macs']:12,} MACs {layer['sram_bytes']:10,} bytes SRAM"
    )


def bundle_stage(context: Context, target: str) -> Stage:
    """The stage that writes device/: the bundle with the compiled model in it."""
    return Stage(
        name=f"mcu/{target}",
        version=1,
        settings={"target": target},
        inputs=(bundle.NAME, f"targets/{target}"),
        libraries=(),
        work=lambda folder: _bundle(context, target, folder),
    )


def _bundle(context: Context, target: str, folder: Path) -> None:
    from hintlite.deploy.bundle.compiled import add_compiled

    device = context.folder.path / bundle.DEVICE
    model = _model_name(device)
    name = compiled_name(model)
    raw = result(context, target)["raw"]
    facts = {
        key: raw[key] for key in ("accelerator", "system_config", "memory_mode", "vela_version")
    }
    content = context.file(f"targets/{target}", name).read_bytes()
    with context.terminal.task(f"bundle for {target}") as bar:
        add_compiled(device, folder / Path(bundle.DEVICE).name, model, name, content, facts)
        bar.note = f"{name}, {len(content):,} bytes"
