"""An Ethos-U NPU as Vela sees it: cycles, memory and time of each operator, all of it estimated.

Nothing is run. Vela compiles the model and adds up what its model of the NPU, the memories and the
bus says; operators that the NPU does not have are left to the CPU, whose time Vela does not know.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hintlite.benchmarks.targets import vela
from hintlite.benchmarks.targets.base import (
    BenchmarkError,
    BenchmarkRequest,
    BenchmarkResult,
    require_model,
)
from hintlite.deploy.bundle.manifest import BundleError, read_manifest
from hintlite.deploy.tflite.flatbuffer import read_model
from hintlite.deploy.tflite.full_integer import full_int8_faults
from hintlite.deploy.tflite.graph import ModelError

KIB = 1024
UNIT = "cycles, bytes and seconds as Vela estimates them; nothing was run"
MEMORIES = {
    "sram_bytes": "sram_memory_used",
    "dram_bytes": "dram_memory_used",
    "on_chip_flash_bytes": "on_chip_flash_memory_used",
    "off_chip_flash_bytes": "off_chip_flash_memory_used",
}
SUMMED = {"cycles": "Op Cycles", "npu_cycles": "NPU", "macs": "MAC Count"}
CYCLES = ("npu", "sram_access", "dram_access", "on_chip_flash_access", "off_chip_flash_access")


class EthosUTarget:
    """Compiles a bundle's int8 model, or a single .tflite file, with Vela.

    Args:
        options: what to compile for.
    """

    def __init__(self, options: vela.Options) -> None:
        self.name = options.accelerator
        self._options = options
        self.compiled: vela.Compiled | None = None  # what the last run made

    def prepare(self, bundle: Path) -> Path:
        """Checks that there are a model, Vela and the named configurations.

        Returns:
            The path, absolute.

        Raises:
            BenchmarkError: something is missing or unknown; the text says what to do.
        """
        require_model(bundle)
        try:
            vela.installed_version()
            vela.check_options(self._options)
        except vela.VelaError as error:
            raise BenchmarkError(str(error)) from error
        return bundle.resolve()

    def run(self, bundle: Path, request: BenchmarkRequest) -> BenchmarkResult:
        """Estimates one model; `compiled` then holds what runs on the NPU.

        Raises:
            BenchmarkError: the model is damaged or not full INT8, or Vela fails or takes too long.
        """
        path = _model_path(self.prepare(bundle), request.model)
        try:
            model = read_model(path)
            faults = full_int8_faults(model)
            if faults:
                more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
                raise BenchmarkError(
                    f"{path.name} is not full INT8: {faults[0]}{more}. Ethos-U computes with "
                    "integers: convert the network to full INT8 first"
                )
            found = vela.compile_model(model.content, self._options, request.timeout_s)
        except (vela.VelaError, ModelError) as error:
            raise BenchmarkError(f"{self.name}: {error}") from error
        self.compiled = found
        return self._result(model.sha256, found)

    def _result(self, model_sha256: str, found: vela.Compiled) -> BenchmarkResult:
        raw = _raw(self._options, found)
        time_us = raw["inference_time_us"]
        return BenchmarkResult(
            kind="estimated",
            target=self.name,
            model_sha256=model_sha256,
            verdict=_verdict(raw),
            latency_us={"mean": time_us} if time_us else None,
            memory_bytes=raw["sram_bytes"] or None,
            raw=raw,
        )


def _model_path(bundle: Path, name: str | None) -> Path:
    """The asked model's file, or the bundle's int8 model."""
    if bundle.is_file():
        return bundle
    try:
        models = read_manifest(bundle)["models"]
    except BundleError as error:
        raise BenchmarkError(str(error)) from error
    int8 = [file for file, entry in models.items() if entry.get("precision") == "int8"]
    if name is None and len(int8) == 1:
        return bundle / str(int8[0])
    if name not in models:
        raise BenchmarkError(f"{bundle} holds {', '.join(models)}: name one of them, got {name}")
    return bundle / str(name)


def _raw(options: vela.Options, found: vela.Compiled) -> dict[str, Any]:
    row = found.summary
    return {
        "unit": UNIT,
        "accelerator": options.accelerator,
        "system_config": row["system_config"],
        "memory_mode": row["memory_mode"],
        "vela_config": options.config.name if options.config else None,
        "vela_version": found.version,
        "core_clock_hz": float(row["core_clock"]),
        "inference_time_us": 1e6 * _number(row["inference_time"]),
        "cycles": round(_number(row["cycles_total"])),
        "cycles_by_part": {name: round(_number(row[f"cycles_{name}"])) for name in CYCLES},
        **{name: round(KIB * _number(row[column])) for name, column in MEMORIES.items()},
        "macs": round(_number(row["nn_macs"])),
        "compiled_bytes": len(found.model),
        "compiled_sha256": hashlib.sha256(found.model).hexdigest(),
        "layers": _layers(found.layers),
        "cpu_operators": [dict(each) for each in found.cpu_operators],
    }


def _number(text: str) -> float:
    """A figure of Vela's; it writes NaN and nothing where a graph has no NPU part."""
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0


def _layers(rows: Iterable[Mapping[str, str]]) -> list[dict[str, Any]]:
    """One entry an operator of the model; Vela splits some (Mean, Softmax) into several of the NPU.

    An operator of the NPU that bears another name than the model's continues the one before it.
    """
    merged: list[dict[str, Any]] = []
    for row in rows:
        last = merged[-1] if merged else None
        part = row["NNG Operator"] != row["Original Operator"] and row["Target"] == "NPU"
        if part and last and last["operator"] == row["Original Operator"]:
            _add(last, row)
        else:
            merged.append(_layer(len(merged), row))
    return merged


def _layer(index: int, row: Mapping[str, str]) -> dict[str, Any]:
    return {
        "index": index,
        "operator": row["Original Operator"],
        "target": row["Target"],
        "npu_operators": [row["NNG Operator"]] if row["Target"] == "NPU" else [],
        **{name: round(_number(row[column])) for name, column in SUMMED.items()},
        "sram_bytes": round(_number(row["Staging Usage"])),
        "name": row["Name"],
    }


def _add(layer: dict[str, Any], row: Mapping[str, str]) -> None:
    layer["npu_operators"].append(row["NNG Operator"])
    for name, column in SUMMED.items():
        layer[name] += round(_number(row[column]))
    layer["sram_bytes"] = max(layer["sram_bytes"], round(_number(row["Staging Usage"])))
    layer["name"] = row["Name"]


def _verdict(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Doubtful where a part of the network runs on the CPU, whose time is in no figure."""
    left = raw["cpu_operators"]
    if not left:
        return {"state": "valid", "reasons": []}
    names = ", ".join(sorted({each["operator"] for each in left}))
    reason = {
        "state": "doubtful",
        "code": "cpu_operators",
        "what": f"{len(left)} operators fall back to the CPU ({names})",
        "why": "Vela's cycles and time hold the NPU's part alone",
        "cure": "replace those operators by ones that Ethos-U has, or measure on the device",
    }
    return {"state": "doubtful", "reasons": [reason]}
