"""Which Raspberry Pis are stood in for: the core that QEMU emulates and what their kernel shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CORES = 4


@dataclass(frozen=True)
class Board:
    """One board.

    Args:
        model: as its device tree names it.
        core: as `qemu -cpu` names it.
        part: the core's part number (MIDR), as /proc/cpuinfo shows it.
        features: the core's, as /proc/cpuinfo lists them; libraries choose their kernels by them.
        max_khz: its highest clock.
    """

    model: str
    core: str
    part: str
    features: str
    max_khz: int


_V8 = "fp asimd evtstrm crc32 cpuid"  # these two boards have no crypto extensions
_V82 = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop "
    "asimddp"
)
_V7 = "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm"
BOARDS: Mapping[str, Board] = {
    "pi3": Board("Raspberry Pi 3 Model B Rev 1.2", "cortex-a53", "0xd03", _V8, 1_200_000),
    "pi4": Board("Raspberry Pi 4 Model B Rev 1.4", "cortex-a72", "0xd08", _V8, 1_500_000),
    "pi5": Board("Raspberry Pi 5 Model B Rev 1.0", "cortex-a76", "0xd0b", _V82, 2_400_000),
}
# QEMU emulates no 32-bit mode of the newer cores in a userland: a Pi 2 stands for all of them.
BOARD_32 = Board("Raspberry Pi 2 Model B Rev 1.1", "cortex-a7", "0xc07", _V7, 900_000)


def kernel_files(board: Board) -> dict[str, str]:
    """What /proc and /sys of a board hold: path below the root -> text.

    Without them programs read the host's, and LiteRT then crashes or leaves XNNPACK out.
    """
    architecture = 7 if board == BOARD_32 else 8
    processors = "".join(
        f"processor\t: {number}\nBogoMIPS\t: 108.00\nFeatures\t: {board.features}\n"
        f"CPU implementer\t: 0x41\nCPU architecture: {architecture}\nCPU variant\t: 0x0\n"
        f"CPU part\t: {board.part}\nCPU revision\t: 3\n\n"
        for number in range(CORES)
    )
    files = {
        "proc/cpuinfo": f"{processors}Model\t\t: {board.model}\n",
        "proc/device-tree/model": board.model + "\0",
        "sys/firmware/devicetree/base/model": board.model + "\0",
        "sys/devices/system/cpu/kernel_max": f"{CORES - 1}\n",
    }
    for name in ("online", "possible", "present"):
        files[f"sys/devices/system/cpu/{name}"] = f"0-{CORES - 1}\n"
    for number in range(CORES):
        files |= _core_files(board, number)
    return files


def _core_files(board: Board, number: int) -> dict[str, str]:
    folder = f"sys/devices/system/cpu/cpu{number}"
    clocks = {
        "scaling_governor": "ondemand",
        "scaling_cur_freq": f"{board.max_khz}",
        "scaling_min_freq": "600000",
        "scaling_max_freq": f"{board.max_khz}",
        "cpuinfo_min_freq": "600000",
        "cpuinfo_max_freq": f"{board.max_khz}",
    }
    topology = {
        "core_id": f"{number}",
        "physical_package_id": "0",
        "core_siblings_list": f"0-{CORES - 1}",
        "thread_siblings_list": f"{number}",
    }
    files = {f"{folder}/cpufreq/{name}": f"{text}\n" for name, text in clocks.items()}
    return files | {f"{folder}/topology/{name}": f"{text}\n" for name, text in topology.items()}
