"""The structures that TensorFlow Lite Micro puts into its arena, as `abi.layout` reads them.

Each names the file of TFLM (below tensorflow/lite/micro/) that declares it. Fields which only
builds with compressed tensors have are left out for the target and added for the host's package,
which is such a build.
"""

from __future__ import annotations

from dataclasses import dataclass

from hintlite.deploy.mcu.abi import ILP32, LP64, Abi

# Of TfLiteTensor: quantization {type, params}, params {scale, zero_point}, data, dims, bytes, type,
# allocation_type, is_variable (c/common.h).
TENSOR = "ip2i3p2ib"
EVAL_TENSOR = "2pi"  # TfLiteEvalTensor: data, dims, type (c/common.h)
# TfLiteNode {inputs, outputs, intermediates, user_data, builtin_data, custom_initial_data,
# custom_initial_data_size} (c/common.h) and the registration (micro_allocator.h).
NODE_AND_REGISTRATION = "6pip"
AFFINE_QUANTIZATION = "2pi"  # TfLiteAffineQuantization: scale, zero_point, dimension (c/common.h)
SCRATCH_HANDLE = "p"  # ScratchBufferHandle (micro_allocator.h)
SCRATCH_REQUEST = "p2i"  # internal::ScratchBufferRequest: bytes, node, subgraph (micro_allocator.h)
# AllocationInfo: bytes, output_ptr, first_created, last_used, offline_offset, needs_allocating
# (micro_allocation_info.h).
ALLOCATION_INFO = "2p3ib"
# GreedyMemoryPlanner::per_buffer_size(): BufferRequirements 4i, two sorted lists, ListEntry 3i and
# the offset (memory_planner/greedy_memory_planner.h).
PLANNED_BUFFER = "10i"

ARENA_ALIGNMENT = 16  # MicroArenaBufferAlignment() (micro_arena_constants.h)
SCRATCH_REQUESTS_PER_OPERATOR = 12  # kMaxScratchBuffersPerOp (micro_allocator.cc)


@dataclass(frozen=True)
class Build:
    """How an interpreter was built, as far as its arena depends on that.

    Args:
        abi: the data model.
        allocators: sizes of what is allocated before the model is read, in order.
        subgraph: SubgraphAllocations (micro_allocator.h).
        compressed: kernels keep two scratch indices more, for compressed tensors.
    """

    abi: Abi
    allocators: tuple[str, ...]
    subgraph: str
    compressed: bool


# SingleArenaBufferAllocator: two virtual tables, five ends of regions, checksum, count
# (arena_allocator/single_arena_buffer_allocator.h).
_ARENA = "8pi"
# GreedyMemoryPlanner: virtual table, 2 counts, 4 arrays, 2 indices, offsets, a flag
# (memory_planner/greedy_memory_planner.h).
_PLANNER = "p2i4p2ipb"
# MicroAllocator: virtual table, 4 pointers, a flag, scratch head, 2 sizes (micro_allocator.h).
_ALLOCATOR = "5pb3p"
_BUILTIN_ALLOCATOR = "2p"  # MicroBuiltinDataAllocator (micro_allocator.cc)

TARGET = Build(ILP32, (_ARENA, _PLANNER, _ALLOCATOR, _BUILTIN_ALLOCATOR), "2p", compressed=False)
# The package tflite-micro records allocations: four sums in the arena allocator
# (arena_allocator/recording_single_arena_buffer_allocator.h), its pointer and eight records of
# three sums in the allocator (recording_micro_allocator.h).
HOST = Build(
    LP64, (_ARENA + "4p", _PLANNER, _ALLOCATOR + "25p", _BUILTIN_ALLOCATOR), "3p", compressed=True
)
