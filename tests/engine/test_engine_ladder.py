"""Which rungs are tried, in which order, and whether what is said about the device is what llama.cpp did.

No GPU is used: models, contexts and devices are scripted, and the lines are of the shape that llama.cpp logs.
"""

import itertools

import pytest
from tiny_models import tiny_model

from desktop_slm.engine import ladder, llama, loading, placement
from desktop_slm.engine.api import Device, ModelSpec
from desktop_slm.engine.header import Header
from desktop_slm.errors import LoadFailed, ModelInvalid

GIB = 2**30
CPU = Device(name="CPU", description="AMD EPYC", kind="cpu", free_bytes=24 * GIB, total_bytes=32 * GIB)
LAYERS = 30
INIT = "ggml_cuda_init: failed to initialize CUDA:"


def gpu(name="CUDA0", description="NVIDIA GeForce RTX 3060", free=5 * GIB, total=6 * GIB, kind="gpu"):
    return Device(name=name, description=description, kind=kind, free_bytes=free, total_bytes=total)


def loading_log(on_gpu, total=LAYERS + 1, buffer="CUDA0"):
    """Return what llama.cpp says when ``on_gpu`` layers have been moved."""
    lines = [
        "load_tensors: loading model tensors, this can take a while... (mmap = true)",
        f"load_tensors: offloading {max(0, on_gpu - 1)} repeating layers to GPU",
        f"load_tensors: offloaded {on_gpu}/{total} layers to GPU",
        "load_tensors:   CPU_Mapped model buffer size =   281.81 MiB",
        "llama_context:  CUDA_Host  output buffer size =     0.49 MiB",
    ]
    if on_gpu and buffer:
        lines.insert(4, f"load_tensors:        {buffer} model buffer size =  4403.50 MiB")
    return lines


class Scripted:
    """A ladder on a computer with devices, whose models and contexts fail as told.

    Args:
        fails: Numbers of GPU layers with which loading fails, and the reason; True for all above 0.
        context_over: Contexts of more tokens cannot be had.
        on_load: Called with the number of GPU layers before a model loads.
    """

    def __init__(
        self, monkeypatch, *devices, fails=(), reason="unable to allocate CUDA0 buffer", context_over=10**9,
        layer_bytes=GIB // 10, on_load=None, without_gpu=(),
    ):  # fmt: skip
        self.lines = []
        self.rungs = []
        self.trials = []
        self.closed = 0
        log = type("Log", (), {"mebibytes": lambda self, pattern: 0, "start": lambda self: None})()
        log.lines = self.lines
        self.ladder = ladder.Ladder(log, self.trials.append, without_gpu)
        self.loader = loading.Loader(log, 1, self.ladder, emit=list, template_runs=bool)
        script = self

        class Model:
            n_ctx_train, n_layers, n_embd, size_bytes, template, forgets = 32768, LAYERS, 64, 7, "", False

            def __init__(self, path, n_gpu_layers, log, keep_on):
                self.n_gpu_layers = n_gpu_layers
                if on_load:
                    on_load(n_gpu_layers)
                if not keep_on():
                    raise InterruptedError
                if n_gpu_layers and (fails is True or n_gpu_layers in fails):
                    script.rungs.append((n_gpu_layers, None))
                    raise LoadFailed(reason)
                log.lines[:] = loading_log(n_gpu_layers, buffer=devices[0].name if devices else "")

            def close(self):
                script.closed += 1

        class Context:
            def __init__(self, model, *, n_ctx, **_):
                script.rungs.append((model.n_gpu_layers, n_ctx))
                if n_ctx > context_over:
                    raise LoadFailed("no memory for the context")
                self.n_ctx = n_ctx

            def adapt_threads(self, most, start):
                return None

        monkeypatch.setattr(llama, "Model", Model)
        monkeypatch.setattr(loading, "Context", Context)
        monkeypatch.setattr(llama, "supports_gpu", lambda: bool(devices))
        monkeypatch.setattr(llama, "devices", lambda: [CPU, *devices])
        monkeypatch.setattr(ladder, "Header", lambda path: None)
        monkeypatch.setattr(placement, "layer_bytes", lambda header, n_ctx: [layer_bytes] * (LAYERS + 1))
        monkeypatch.setattr(loading, "LoadedModel", lambda spec, model, context, loaded, *_, **__: loaded)

    def load(self, keep_on=lambda: True, **options):
        return self.loader.load(ModelSpec(path="x", **options), keep_on)

    @property
    def layers(self):
        return [layers for layers, _ in self.rungs]


def test_the_first_rung_is_everything_on_the_gpu(monkeypatch):
    script = Scripted(monkeypatch, gpu())
    loaded = script.load()
    assert (loaded.n_gpu_layers, loaded.device) == (31, "NVIDIA GeForce RTX 3060")
    assert loaded.reason == "all 31 layers fit into its memory"
    assert script.rungs == [(31, 8192)]
    assert script.trials == ["x"]


def test_layers_that_fit_are_computed_from_free_memory(monkeypatch):
    script = Scripted(monkeypatch, gpu(free=5 * GIB), layer_bytes=GIB // 4)
    loaded = script.load()
    # 31 layers of 256 MiB need 7.75 GiB: sure not to fit. 5 GiB less margin and 512 MiB leave room for 17.
    assert script.layers == [17]
    assert (loaded.n_gpu_layers, loaded.device) == (17, "NVIDIA GeForce RTX 3060")
    assert loaded.reason == "17 of 31 layers: the rest did not fit in 6 GB of graphics memory"


def test_then_fewer_again_then_the_cpu(monkeypatch):
    script = Scripted(monkeypatch, gpu(free=4 * GIB), layer_bytes=GIB // 8, fails=True)
    loaded = script.load()
    assert script.layers[0] == 31  # 3.9 GB of layers: they might fit into 4
    assert script.layers == [31, 26, 13, 0]
    assert (loaded.n_gpu_layers, loaded.device) == (0, "CPU")
    assert loaded.reason == "the model did not fit in 6 GB of graphics memory"


def test_a_driver_that_does_not_tell_its_memory(monkeypatch):
    script = Scripted(monkeypatch, gpu(free=0, total=0), fails=(31, 15))
    loaded = script.load()
    assert script.layers == [31, 15, 7]
    assert loaded.reason == "7 of 31 layers: the rest did not fit in the graphics memory"


def test_a_gpu_that_fails_for_another_reason_is_not_said_to_be_too_small(monkeypatch):
    script = Scripted(monkeypatch, gpu(), fails=True, reason="device kernel image is invalid")
    assert script.load().reason == "the GPU failed (device kernel image is invalid)"


@pytest.mark.parametrize(
    ("wanted", "layers", "reason"),
    [
        (0, 0, "chosen in the settings"),
        (12, 12, "12 of 31 layers, as chosen in the settings"),
        (99, 31, "all 31 layers fit into its memory"),
    ],
)
def test_what_the_person_chose(monkeypatch, wanted, layers, reason):
    script = Scripted(monkeypatch, gpu())
    loaded = script.load(n_gpu_layers=wanted)
    assert (loaded.n_gpu_layers, loaded.reason) == (layers, reason)
    assert script.trials == (["x"] if wanted else [])


def test_a_model_that_ended_the_engine_on_the_gpu_stays_off_it(monkeypatch):
    script = Scripted(monkeypatch, gpu(), without_gpu=("x",))
    loaded = script.load()
    assert (loaded.device, loaded.reason, script.layers) == ("CPU", ladder.CRASHED, [0])
    assert script.trials == []


def test_a_context_that_does_not_fit_costs_layers_before_tokens(monkeypatch):
    script = Scripted(monkeypatch, gpu(), context_over=2500)
    assert script.load(n_ctx=8192).n_ctx == 2048
    assert script.rungs == [(31, 8192), (15, 8192), (7, 8192), (0, 8192), (0, 4096), (0, 2048)]
    assert script.closed == 3


def test_then_every_rung_is_named(monkeypatch):
    script = Scripted(monkeypatch, gpu(free=3 * GIB), fails=True, context_over=10)
    with pytest.raises(LoadFailed) as caught:
        script.load()
    for rung in (
        "GPU, all layers: 3.1 GB of graphics memory needed, 3.0 GB free",
        "GPU, 23 layers: unable to allocate CUDA0 buffer",
        "GPU, 11 layers",
        "CPU, 8,192 tokens: no memory",
        "CPU, 1,024 tokens",
    ):
        assert rung in caught.value.message
    assert script.closed == 1


@pytest.mark.parametrize("moment", [1, 2, 3, 4, 5])
def test_no_rung_after_a_stop(monkeypatch, moment):
    asked = itertools.count(1)
    script = Scripted(monkeypatch, gpu(), fails=True, context_over=10)
    with pytest.raises(InterruptedError):
        script.load(keep_on=lambda: next(asked) < moment)
    assert len(script.rungs) == (moment - 1) // 2


def test_a_damaged_file_is_not_tried_elsewhere(monkeypatch):
    def damaged(n_gpu_layers):
        raise ModelInvalid("The model file is damaged")

    script = Scripted(monkeypatch, gpu(), on_load=damaged)
    with pytest.raises(ModelInvalid):
        script.load()
    assert script.rungs == []


@pytest.mark.parametrize(
    ("name", "buffer", "kind"),
    [
        ("CUDA0", "CUDA0", "gpu"),
        ("Vulkan0", "Vulkan0", "igpu"),
        ("MTL0", "MTL0_Mapped", "gpu"),
        ("Metal", "Metal_Mapped", "gpu"),
        ("ROCm0", "ROCm0", "gpu"),
    ],
)
def test_every_backend_names_its_buffers_after_its_device(name, buffer, kind):
    lines = loading_log(31, buffer=buffer)
    place = placement.placed(lines, [CPU, gpu(name, "Some GPU", kind=kind)], wanted=-1)
    assert (place.device, place.n_gpu_layers) == ("Some GPU", 31)


def test_two_gpus_are_both_named():
    lines = [*loading_log(31), "load_tensors:        CUDA1 model buffer size =  4403.50 MiB"]
    place = placement.placed(lines, [CPU, gpu(), gpu("CUDA1", "NVIDIA L4")], wanted=-1)
    assert place.device == "NVIDIA GeForce RTX 3060 and NVIDIA L4"


@pytest.mark.parametrize("buffer", ["", "CUDA_Host"])
def test_layers_that_are_counted_but_lie_in_ram_are_not_on_the_gpu(buffer):
    place = placement.placed(loading_log(13, buffer=buffer), [CPU, gpu()], wanted=-1)
    assert (place.device, place.n_gpu_layers) == ("CPU", 0)
    assert place.reason == "llama.cpp put no layer on the GPU"


@pytest.mark.parametrize(
    ("gpu_code", "line", "hidden", "reason"),
    [
        (False, "", (), "this build has no GPU support"),
        (True, "", (), "no GPU found"),
        (True, "", ("CUDA_VISIBLE_DEVICES",), "no GPU found, and CUDA_VISIBLE_DEVICES is set"),
        (True, f"{INIT} no CUDA-capable device is detected", (), "no GPU found"),
        (
            True,
            f"{INIT} system has unsupported display driver",
            (),
            "the graphics driver does not work: failed to initialize CUDA: system has unsupported "
            "display driver",
        ),
    ],
)  # fmt: skip
def test_why_there_is_no_gpu(gpu_code, line, hidden, reason):
    assert placement.no_gpu_reason(has_gpu_code=gpu_code, startup_lines=[line], hidden_by=hidden) == reason


def test_layers_are_weighed_by_the_file(tmp_path):
    model = tiny_model(tmp_path / "m.gguf", n_layer=3, tied=False, layout="F16")
    header = Header(str(model))
    sizes = placement.layer_bytes(header, n_ctx=1000)
    assert len(sizes) == 4
    assert sizes[0] == header.tensors["output.weight"].size_bytes
    blocks = sum(tensor.size_bytes for name, tensor in header.tensors.items() if name.startswith("blk."))
    assert sum(sizes[1:]) == blocks + 3 * 1000 * 2 * (2 * 16 + 2 * 16)


def test_a_number_of_layers_is_never_more_than_asked_for():
    for wanted, free in itertools.product([1, 5, 31, 99], [0, GIB, 8 * GIB]):
        rungs = placement.rungs(wanted, [GIB // 10] * 31, free)
        assert rungs == sorted(set(rungs), reverse=True)
        assert rungs[0] <= wanted
        assert rungs[-1] == 0


def test_a_cache_counts_up_to_the_context_of_training_and_never_makes_a_try_hopeless(monkeypatch, tmp_path):
    header = Header(str(tiny_model(tmp_path / "m.gguf", n_ctx=4096)))
    assert placement.layer_bytes(header, 10**9) == placement.layer_bytes(header, 4096)
    script = Scripted(monkeypatch, gpu(free=2 * GIB))
    # The cache of full attention would not fit; that of a sliding window may.
    monkeypatch.setattr(placement, "layer_bytes", lambda header, n_ctx: [GIB // 64 + n_ctx * 10**5] * 31)
    assert script.load().n_gpu_layers == 31
    assert script.layers == [31]
