"""Every operator against TFLM, bit for bit, in each set of kernels; many models in one program."""

import os
import shutil
import subprocess

import numpy as np
import pytest
from c_export_cases import KINDS, make_case, make_cases
from c_export_runner import (
    STRICT,
    differences,
    kernel_sources,
    run_emulated,
    run_here,
    write_program,
)

from hintlite.benchmarks.targets.cortex_m_firmware import toolchain

SANITIZERS = ("-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def need_toolchain():
    """Skips without the cross-compiler or QEMU; in CI their absence is a failure."""
    if toolchain.missing_tools() and os.environ.get("CI") != "true":
        pytest.skip(f"{toolchain.missing_tools()} not found: {toolchain.INSTALL}")
    toolchain.check_tools()


def need(tool: str, install: str):
    if shutil.which(tool) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{tool} is missing: {install}")
        pytest.skip(f"{tool} not found: {install}")


def program(cases, folder):
    write_program([c.model for c in cases], [c.inputs for c in cases], folder)


def wrong(output, cases) -> list[str]:
    return differences(output, [c.expected for c in cases], [c.name for c in cases])


@pytest.fixture(scope="module")
def cases():
    return make_cases(14)


@pytest.fixture(scope="module")
def sources(cases, tmp_path_factory):
    folder = tmp_path_factory.mktemp("operators")
    program(cases, folder)
    return folder


def test_portable_kernels_give_the_bits_of_tflm_under_sanitizers(cases, sources):
    assert len(cases) >= 300
    assert wrong(run_here(sources, SANITIZERS), cases) == []


def test_clang_takes_the_sources_without_a_warning(cases, sources):
    need("clang", "apt-get install --no-install-recommends clang")
    assert wrong(run_here(sources, ("-O2",), "clang"), cases) == []


@pytest.mark.parametrize("core", ["cortex-m0", "cortex-m4", "cortex-m55"])
def test_clang_compiles_every_set_of_kernels_without_a_warning(core, sources):
    need_toolchain()
    need("clang", "apt-get install --no-install-recommends clang")
    headers = "/usr/lib/arm-none-eabi/include"  # newlib's, from libnewlib-arm-none-eabi
    target = ("--target=arm-none-eabi", *toolchain.BOARDS[core].flags, "-mthumb", "-O1")
    names = [path.name for path in kernel_sources(sources)]
    command = ("clang", *STRICT, *target, "-isystem", headers, "-fsyntax-only", *names)
    subprocess.run(command, cwd=sources, check=True, timeout=300)


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m55"])
def test_dsp_and_mve_kernels_give_the_bits_of_tflm(cases, sources, core):
    need_toolchain()
    assert wrong(run_emulated(sources, core), cases) == []


def test_a_wrong_bit_is_noticed(cases, sources):
    """The comparison fails if one bit of one expected output is another."""
    changed = [c.expected.copy() for c in cases]
    changed[len(cases) // 2].reshape(-1)[-1] ^= 1
    output = b"".join(c.expected.tobytes() for c in cases)
    found = differences(output, changed, [c.name for c in cases])
    assert found == [f"{cases[len(cases) // 2].name}: 1 of {changed[len(cases) // 2].size} differ"]


def test_cases_are_not_trivial(cases):
    """Most models of each kind give several different outputs."""
    for kind in KINDS:
        own = [c for c in cases if c.name.rsplit("_", 1)[0] == kind.lower()]
        varied = [np.unique(c.expected).size > 3 for c in own]
        assert sum(varied) >= len(varied) // 3, kind


@pytest.mark.slow(
    modules=["hintlite.benchmarks.targets.cortex_m_firmware", "hintlite.deploy.c_export"]
)
@pytest.mark.parametrize("part", range(10))
def test_hundreds_of_models_of_every_operator(part, tmp_path):
    """300 seeded models an operator, on this machine and in each set of kernels."""
    need_toolchain()
    seeds = range(100 + 30 * part, 130 + 30 * part)
    cases = [make_case(kind, seed) for kind in KINDS for seed in seeds]
    program(cases, tmp_path)
    assert wrong(run_here(tmp_path, SANITIZERS), cases) == []
    for core in ("cortex-m0", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"):
        assert wrong(run_emulated(tmp_path, core), cases) == [], core


@pytest.mark.emulated(
    modules=["hintlite.benchmarks.targets.cortex_m_firmware", "hintlite.deploy.c_export"]
)
@pytest.mark.parametrize("part", range(3))
def test_dozens_of_models_of_every_operator(part, tmp_path):
    """60 other seeded models an operator, on this machine and on the cores between the rest."""
    need_toolchain()
    seeds = range(14 + 20 * part, 34 + 20 * part)
    cases = [make_case(kind, seed) for kind in KINDS for seed in seeds]
    program(cases, tmp_path)
    assert wrong(run_here(tmp_path, SANITIZERS), cases) == []
    for core in ("cortex-m3", "cortex-m7", "cortex-m33"):
        assert wrong(run_emulated(tmp_path, core), cases) == [], core


@pytest.mark.emulated(modules=["hintlite.deploy.c_export"])
def test_valgrind_finds_nothing(tmp_path):
    need("valgrind", "apt-get install --no-install-recommends valgrind")
    cases = make_cases(6)
    program(cases, tmp_path)
    assert wrong(run_here(tmp_path, ("-O1", "-g")), cases) == []
    command = ["valgrind", "-q", "--error-exitcode=9", "--leak-check=full", "./program"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=300)
