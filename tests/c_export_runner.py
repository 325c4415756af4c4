"""Many exported networks in one program: built once, run once, on this machine or in QEMU."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hintlite.benchmarks.targets.cortex_m_firmware import toolchain
from hintlite.deploy.c_export import emit
from hintlite.deploy.c_export.export import lower_network

TRACED = ("-include", str(toolchain.FIRMWARE / "dump.h"))
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Wsign-conversion", "-Wpedantic", "-Werror")
STRICT = ("-std=c99", *WARNINGS)

# Runs every network on each of its inputs. The arena is filled with other garbage each time and
# has guards on both sides; a broken guard or a refused call ends the program.
DRIVER = r"""
#include <stdint.h>
#include <string.h>
#include "firmware.h"
#include "cases.h"

#define GUARD 64

static int8_t memory[MOST_ARENA + 2 * GUARD] __attribute__((aligned(8)));
static int8_t input[MOST_INPUT + 8] __attribute__((aligned(8)));
static int8_t output[MOST_OUTPUT + 2 * GUARD];

/* Called by the networks if they are built with dump.h. */
static int32_t layers;
void dump_layer(const int8_t *values, uint32_t length);
void dump_layer(const int8_t *values, uint32_t length) { host_write(layers, values, length); }

static int guards_hold(const int8_t *bytes, uint32_t length) {
  for (uint32_t i = 0; i < GUARD; ++i) {
    if (bytes[i] != 0x5A || bytes[GUARD + length + i] != 0x5A) {
      return 0;
    }
  }
  return 1;
}

int main(void) {
  const int32_t inputs = host_open("input.bin", 0);
  const int32_t outputs = host_open("output.bin", 1);
  layers = host_open("layers.bin", 1);
  for (uint32_t i = 0; i < CASES; ++i) {
    const network *n = &networks[i];
    for (uint32_t k = 0; k < n->samples; ++k) {
      (void)memset(memory, 0x5A, sizeof memory);
      (void)memset(memory + GUARD, (int)(i * 7U + k * 31U) & 0xFF, n->arena);
      (void)memset(output, 0x5A, sizeof output);
      host_read(inputs, input, n->in);
      if (n->invoke(input, output + GUARD, memory + GUARD) != 0) {
        host_exit(1);
      }
      if (!guards_hold(memory, n->arena) || !guards_hold(output, n->out)) {
        host_exit(1);
      }
      host_write(outputs, output + GUARD, n->out);
    }
  }
  return 0;
}
"""

# The same interface on this machine.
HOSTED = r"""
#include <stdio.h>
#include <stdlib.h>
#include "firmware.h"

static FILE *files[4];
static int32_t opened;

int32_t host_open(const char *path, int32_t write) {
  files[opened] = fopen(path, write != 0 ? "wb" : "rb");
  if (files[opened] == NULL) {
    exit(3);
  }
  return opened++;
}

void host_read(int32_t file, void *memory, uint32_t length) {
  if (fread(memory, 1, length, files[file]) != length) {
    exit(4);
  }
}

void host_write(int32_t file, const void *memory, uint32_t length) {
  if (fwrite(memory, 1, length, files[file]) != length) {
    exit(5);
  }
}

void host_exit(int32_t failed) { exit(failed != 0 ? 6 : 0); }
"""


def write_program(models: Sequence[bytes], inputs: Sequence[np.ndarray], folder: Path) -> None:
    """Sources of one program for all models: cases.c, cases.h, driver.c and the kernels."""
    networks = [lower_network(model, f"n{i}") for i, model in enumerate(models)]
    parts = []
    for network in networks:
        (folder / f"{network.name}.h").write_text(emit.header_source(network))
        parts.extend(emit.network_source(network))
    rows = [
        f"  {{{n.name}_invoke, {n.name.upper()}_INPUT_BYTES, {n.name.upper()}_OUTPUT_BYTES, "
        f"{n.name.upper()}_ARENA_BYTES, {x.shape[0]}U}},"
        for n, x in zip(networks, inputs, strict=True)
    ]
    tensors = [
        (n.graph.tensors[n.graph.inputs[0]], n.graph.tensors[n.graph.outputs[0]]) for n in networks
    ]
    parts += ['#include "cases.h"', "const network networks[CASES] = {", *rows, "};"]
    (folder / "cases.c").write_text("\n".join(parts) + "\n")
    (folder / "cases.h").write_text(
        "#ifndef CASES_H\n#define CASES_H\n#include <stdint.h>\n"
        "typedef struct {\n  int (*invoke)(const int8_t *, int8_t *, void *);\n"
        "  uint32_t in, out, arena, samples;\n} network;\n"
        f"#define CASES {len(networks)}U\n"
        f"#define MOST_ARENA {max(n.plan.arena_bytes for n in networks)}\n"
        f"#define MOST_INPUT {max(t.elements for t, _ in tensors)}\n"
        f"#define MOST_OUTPUT {max(t.elements for _, t in tensors)}\n"
        "extern const network networks[CASES];\n#endif\n"
    )
    (folder / "driver.c").write_text(DRIVER)
    (folder / "hosted.c").write_text(HOSTED)
    for source in (*emit.RUNTIME.glob("*.c"), *emit.RUNTIME.glob("*.h")):
        (folder / source.name).write_text(source.read_text())
    (folder / "input.bin").write_bytes(b"".join(x.tobytes() for x in inputs))


def kernel_sources(folder: Path) -> list[Path]:
    return [folder / path.name for path in sorted(emit.RUNTIME.glob("*.c"))]


def run_here(folder: Path, flags: Sequence[str] = ("-O1",), compiler: str = "gcc") -> bytes:
    """Build for this machine, run, and return what was written."""
    program = folder / "program"
    own = [folder / name for name in ("cases.c", *(p.name for p in kernel_sources(folder)))]
    build = (compiler, *STRICT, *flags, "-I", str(toolchain.FIRMWARE), "-I", str(folder))
    sources = [*own, folder / "driver.c", folder / "hosted.c"]
    subprocess.run([*build, *map(str, sources), "-o", str(program)], check=True, timeout=300)
    subprocess.run([str(program)], check=True, cwd=folder, timeout=300)
    return (folder / "output.bin").read_bytes()


def run_emulated(folder: Path, core: str, flags: Sequence[str] = ()) -> bytes:
    """Build for a core, run in QEMU, and return what was written."""
    board = toolchain.BOARDS[core]
    own = toolchain.compile_objects(
        board, [folder / "cases.c", folder / "driver.c", *kernel_sources(folder)], folder, flags
    )
    firmware = [toolchain.FIRMWARE / name for name in ("startup.c", "host.c")]
    objects = [*own, *toolchain.compile_objects(board, firmware, folder)]
    toolchain.emulate(board, toolchain.link(board, objects, folder, "program"), folder)
    return (folder / "output.bin").read_bytes()


def differences(output: bytes, expected: Sequence[np.ndarray], names: Sequence[str]) -> list[str]:
    """The networks whose outputs are not TFLM's, with how many bytes differ."""
    found, start = [], 0
    for name, values in zip(names, expected, strict=True):
        part = np.frombuffer(output[start : start + values.size], np.int8)
        start += values.size
        wrong = part.size - int((part == values.reshape(-1)[: part.size]).sum())
        if wrong or part.size != values.size:
            found.append(f"{name}: {wrong} of {values.size} differ")
    assert start == len(output), f"{len(output)} bytes came, {start} were expected"
    return found
