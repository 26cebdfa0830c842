"""Which layers go to the GPU, and what a model really runs on, in words that are true.

Layers are counted as llama.cpp does: the repeating ones and the output, which goes to the GPU first; then the
last of the repeating ones, and so on down. What llama.cpp did is read from what it says while loading.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from desktop_slm.engine.api import Device
from desktop_slm.engine.header import Header

_COMPUTE_BYTES = 512 * 1024 * 1024  # of graphics memory, for what is computed and for the screen
_MARGIN = 0.95
_KV_BYTES = 2  # of one value, as F16
_ABOUT_MEMORY = re.compile(r"memory|alloc|buffer", re.IGNORECASE)
_LAYER = re.compile(r"blk\.(\d+)\.")
_OFFLOADED = re.compile(r"offloaded (\d+)/(\d+) layers to GPU")
_BUFFER = re.compile(r"(\S+)\s+model buffer size\s*=\s*([0-9.]+) MiB")
_DRIVER = re.compile(
    r"(?:failed to initialize|driver version is insufficient|cannot enumerate|vk::\S+Error)[^\n]*",
    re.IGNORECASE,
)
_NONE_THERE = re.compile(r"no \S*-?capable device|no devices? found", re.IGNORECASE)


@dataclass(frozen=True)
class Placement:
    """What a model runs on.

    Attributes:
        device: ``CPU``, or the GPU's name.
        reason: Why, to go after "because".
        n_gpu_layers: Layers that lie on GPUs.
    """

    device: str
    reason: str
    n_gpu_layers: int


def gpus(devices: Iterable[Device]) -> list[Device]:
    """Return the graphics processors among ``devices``."""
    return [device for device in devices if device.kind in ("gpu", "igpu")]


def rungs(wanted: int, layer_bytes: Sequence[int], free_bytes: int, *, hopeless: bool = False) -> list[int]:
    """Return numbers of layers to try on the GPU, from the most to 0.

    Args:
        wanted: Layers as asked for, -1 for all.
        layer_bytes: What each layer takes, weights and KV cache, in the order in which they are moved; empty
            when the file does not tell.
        free_bytes: Free graphics memory, 0 when the driver does not tell.
        hopeless: All that is wanted is certain not to fit.

    All that is wanted is tried first, unless that is hopeless; then what should fit, then half of it.
    """
    if wanted == 0:
        return [0]
    most = len(layer_bytes) if wanted < 0 else min(wanted, len(layer_bytes) or wanted)
    if not layer_bytes:
        return list(dict.fromkeys([wanted, most // 2, 0]))
    fitting = fitting_layers(layer_bytes[:most], free_bytes) if free_bytes else most
    second = fitting if fitting < most else most // 2
    return list(dict.fromkeys([*([] if hopeless else [most]), second, second // 2, 0]))


def layer_bytes(header: Header, n_ctx: int) -> list[int]:
    """Return what each layer takes on a GPU, weights and KV cache, in the order in which they are moved.

    ``n_ctx`` 0 gives the weights alone.

    Of a split model, only the first part is looked at: its layers stand for the others. The KV cache is that
    of full attention, so windowed models take less.
    """
    n_layers = header.number("{arch}.block_count") or 0
    sizes = {name: tensor.size_bytes for name, tensor in header.tensors.items()}
    parts = header.number("split.count") or 1
    kv_bytes = min(n_ctx, header.number("{arch}.context_length") or n_ctx) * _KV_BYTES * _kv_values(header)
    if parts > 1:
        return [sum(sizes.values()) * parts // (n_layers + 1) + kv_bytes] * (n_layers + 1)
    layers = [0] * n_layers
    for name, size_bytes in sizes.items():
        if (match := _LAYER.match(name)) and int(match[1]) < n_layers:
            layers[int(match[1])] += size_bytes
    output = sizes.get("output.weight") or sizes.get("token_embd.weight", 0)
    return [output, *(size_bytes + kv_bytes for size_bytes in reversed(layers))]


def _kv_values(header: Header) -> int:
    """Return how many values of the KV cache one token has in one layer."""
    heads = header.number("{arch}.attention.head_count") or 1
    kv_heads = header.number("{arch}.attention.head_count_kv") or heads
    width = (header.number("{arch}.embedding_length") or 0) // heads
    key = header.number("{arch}.attention.key_length") or width
    return kv_heads * (key + (header.number("{arch}.attention.value_length") or key))


def fitting_layers(layer_bytes: Sequence[int], free_bytes: int) -> int:
    """Return how many of the layers should fit beside what is computed."""
    left = free_bytes * _MARGIN - min(_COMPUTE_BYTES, free_bytes / 4)
    for count, size_bytes in enumerate(layer_bytes):
        left -= size_bytes
        if left < 0:
            return count
    return len(layer_bytes)


def placed(
    lines: Sequence[str], devices: Sequence[Device], *, wanted: int, failures: Sequence[str] = ()
) -> Placement:
    """Tell what llama.cpp did with a model, on a computer with a GPU.

    Args:
        lines: What it said while loading.
        devices: As llama.cpp sees them.
        wanted: Layers for the GPU as asked for by the person, -1 for all.
        failures: Why it did not get more of them, from the first try to the last.
    """
    known = gpus(devices)
    on_gpu, total = _offloaded(lines)
    used = _with_weights(lines, known)
    if not used or not on_gpu:  # it counts layers as offloaded that then lie in RAM, when a driver fails
        return Placement("CPU", _cpu_reason(known, wanted, failures), 0)
    name = " and ".join(dict.fromkeys(device.description or device.name for device in used))
    if on_gpu == total:
        return Placement(name, f"all {total} layers fit into its memory", on_gpu)
    share = f"{on_gpu} of {total} layers"
    if 0 < wanted <= on_gpu:
        return Placement(name, f"{share}, as chosen in the settings", on_gpu)
    if failures and not _ABOUT_MEMORY.search(failures[-1]):
        return Placement(name, f"{share}: with more the GPU failed ({failures[-1]})", on_gpu)
    return Placement(name, f"{share}: the rest did not fit in {_memory(used)}", on_gpu)


def _cpu_reason(known: Sequence[Device], wanted: int, failures: Sequence[str]) -> str:
    if wanted == 0:
        return "chosen in the settings"
    if not failures:
        return "llama.cpp put no layer on the GPU"
    if _ABOUT_MEMORY.search(failures[-1]):
        return f"the model did not fit in {_memory(known)}"
    return f"the GPU failed ({failures[-1]})"


def _memory(devices: Sequence[Device]) -> str:
    total_bytes = sum(device.total_bytes for device in devices)
    if not total_bytes:
        return "the graphics memory"
    return f"{total_bytes / 2**30:.1f}".removesuffix(".0") + " GB of graphics memory"


def no_gpu_reason(*, has_gpu_code: bool, startup_lines: Sequence[str], hidden_by: Sequence[str]) -> str:
    """Return why there is no GPU at all.

    Args:
        has_gpu_code: This build has a GPU library.
        startup_lines: What llama.cpp said when it looked for devices.
        hidden_by: Environment variables that hide devices.
    """
    if not has_gpu_code:
        return "this build has no GPU support"
    for line in startup_lines:
        if (found := _DRIVER.search(line)) and not _NONE_THERE.search(line):
            return f"the graphics driver does not work: {found[0].strip()[:120]}"
    return f"no GPU found, and {hidden_by[0]} is set" if hidden_by else "no GPU found"


def _offloaded(lines: Sequence[str]) -> tuple[int, int]:
    found = [match for line in lines if (match := _OFFLOADED.search(line))]
    return (int(found[-1][1]), int(found[-1][2])) if found else (0, 0)


def _with_weights(lines: Sequence[str], known: Sequence[Device]) -> list[Device]:
    """Return the GPUs that hold weights: buffers are named after devices, ``_Host`` ones lie in RAM."""
    buffers = {match[1] for line in lines if (match := _BUFFER.search(line)) and float(match[2]) > 0}
    return [
        device
        for device in known
        if any(name.startswith(device.name) and not name.endswith("_Host") for name in buffers)
    ]
