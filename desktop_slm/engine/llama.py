"""The wall around llama.cpp: the only file that imports llama_cpp, and only the worker imports this one.

It speaks to the C API, not to the `Llama` class: one model, one context with many sequences, batches that
we build. Nothing here is decided; the scheduler decides.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib.metadata
import importlib.util
import re
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from desktop_slm.engine.api import Device
from desktop_slm.engine.plaintext import PlainTokenizer
from desktop_slm.engine.template import Special
from desktop_slm.errors import InvalidRequest, LoadFailed, ModelInvalid, ModelUnsupported


def _import_low_level() -> Any:
    """Import the C bindings without the package's `__init__`, whose numpy and servers cost 0.3 s."""
    if "llama_cpp" not in sys.modules:
        spec = importlib.util.find_spec("llama_cpp")
        if spec is None or spec.submodule_search_locations is None:
            raise LoadFailed("The inference engine is not installed", "Install the application again.")
        package = types.ModuleType("llama_cpp")
        package.__path__ = list(spec.submodule_search_locations)
        package.__spec__ = spec
        sys.modules["llama_cpp"] = package
    return importlib.import_module("llama_cpp.llama_cpp")


C: Any = _import_low_level()
LIBRARY_FOLDER = Path(C.__file__).parent / "lib"
_WARNING = 3
_KEPT_LOG_LINES = 4_000
_UNLOADABLE = re.compile(
    r"corrupted|incomplete|not within the file bounds|invalid magic|failed to read|bad magic|"
    r"wrong number of tensors|tensor .* has|missing tensor|invalid|read beyond",
    re.IGNORECASE,
)
_UNKNOWN = re.compile(
    r"unknown (model architecture|pre-tokenizer)|unsupported|unknown tokenizer", re.IGNORECASE
)

FILE_TYPES = {
    "F16": C.LLAMA_FTYPE_MOSTLY_F16,
    "BF16": C.LLAMA_FTYPE_MOSTLY_BF16,
    "Q4_0": C.LLAMA_FTYPE_MOSTLY_Q4_0,
    "Q4_K_S": C.LLAMA_FTYPE_MOSTLY_Q4_K_S,
    "Q4_K_M": C.LLAMA_FTYPE_MOSTLY_Q4_K_M,
    "Q5_K_M": C.LLAMA_FTYPE_MOSTLY_Q5_K_M,
    "Q6_K": C.LLAMA_FTYPE_MOSTLY_Q6_K,
    "Q8_0": C.LLAMA_FTYPE_MOSTLY_Q8_0,
    "IQ4_NL": C.LLAMA_FTYPE_MOSTLY_IQ4_NL,
}


class Log:
    """Collects what llama.cpp says, to be read for reasons and sizes; quiet unless it is loading.

    Log lines hold no user text while loading; afterwards (a grammar that cannot be parsed is quoted) nothing
    is kept. The newest one listens, and lives as long as the process.
    """

    _listening: Any = None  # llama.cpp holds only the pointer

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._keeping = False
        callback = C.llama_log_callback(self._take)
        C.llama_log_set(callback, None)
        Log._listening = callback

    def _take(self, level: int, text: bytes, _: object) -> None:
        if self._keeping and level >= 2 and len(self.lines) < _KEPT_LOG_LINES:
            line = text.decode("utf-8", "replace").rstrip()
            self.lines.append(line)
            if level >= _WARNING and level < 5:
                sys.stderr.write(_without_paths(line) + "\n")

    def start(self) -> None:
        """Forget what was said and keep what comes."""
        self.lines.clear()
        self._keeping = True

    def stop(self) -> None:
        """Keep nothing from now on."""
        self._keeping = False

    def mebibytes(self, pattern: str) -> int:
        """Return the sum of the sizes, given as ``N MiB`` after ``pattern``, in bytes."""
        found = (re.search(pattern + r"\s*=\s*([0-9.]+) MiB", line) for line in self.lines)
        return sum(int(float(match[1]) * 1024 * 1024) for match in found if match)

    def reason(self) -> str:
        """Return the last complaint, without paths."""
        words = ("error", "fail", "unable", "unknown", "corrupt", "invalid", "not enough")
        for line in reversed(self.lines):
            complaint = _without_paths(line).partition(": ")[2] or line
            if any(word in complaint.lower() for word in words) and "failed to load model" not in complaint:
                return complaint.removeprefix("error loading model: ")[:200]
        return ""


def _without_paths(line: str) -> str:
    return re.sub(r"['\"]?(?:[A-Za-z]:)?[/\\][^'\"]*\.gguf['\"]?", "the file", line)


def start_backend() -> None:
    """Load backends from llama_cpp's own folder only, then start.

    By default llama.cpp also looks into the working directory, where anyone may have put a library.
    """
    devices_library().ggml_backend_load_all_from_path(str(LIBRARY_FOLDER).encode())
    C.llama_backend_init()


def library(name: str) -> Any:
    """Return one of the libraries under llama.cpp, such as ``ggml-base``."""
    files = (f"lib{name}.so", f"lib{name}.dylib", f"{name}.dll", f"lib{name}.dll")
    return ctypes.CDLL(str(next(LIBRARY_FOLDER / file for file in files if (LIBRARY_FOLDER / file).exists())))


def devices_library() -> Any:
    """Return the device functions of ggml, which llama_cpp does not wrap."""
    ggml = library("ggml")
    ggml.ggml_backend_load_all_from_path.argtypes = [ctypes.c_char_p]
    ggml.ggml_backend_load_all_from_path.restype = None
    ggml.ggml_backend_dev_count.restype = ctypes.c_size_t
    ggml.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    ggml.ggml_backend_dev_get.restype = ctypes.c_void_p
    ggml.ggml_backend_dev_type.argtypes = [ctypes.c_void_p]
    for name in ("ggml_backend_dev_name", "ggml_backend_dev_description"):
        getattr(ggml, name).argtypes = [ctypes.c_void_p]
        getattr(ggml, name).restype = ctypes.c_char_p
    sizes = [ctypes.POINTER(ctypes.c_size_t)] * 2
    ggml.ggml_backend_dev_memory.argtypes = [ctypes.c_void_p, *sizes]
    ggml.ggml_backend_dev_memory.restype = None
    return ggml


_KINDS: dict[int, Literal["cpu", "gpu", "igpu", "accel"]] = {0: "cpu", 1: "gpu", 2: "igpu", 3: "accel"}


def devices() -> list[Device]:
    """Return the devices that llama.cpp can compute on."""
    library = devices_library()
    found = []
    for index in range(library.ggml_backend_dev_count()):
        device = library.ggml_backend_dev_get(index)
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        library.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
        found.append(
            Device(
                name=library.ggml_backend_dev_name(device).decode("utf-8", "replace"),
                description=library.ggml_backend_dev_description(device).decode("utf-8", "replace"),
                kind=_KINDS.get(library.ggml_backend_dev_type(device), "accel"),
                free_bytes=free.value,
                total_bytes=total.value,
            )
        )
    return found


def supports_gpu() -> bool:
    """Tell whether this build, on this computer, can use a GPU."""
    return bool(C.llama_supports_gpu_offload())


def cpu_features() -> list[str]:
    """Return the processor features that this build uses."""
    text = C.llama_print_system_info().decode("utf-8", "replace")
    return [name for name, value in re.findall(r"(\w+) = (\d+)", text) if value != "0"]


def version() -> str:
    """Return the versions of the binding and of llama.cpp."""
    try:
        binding = importlib.metadata.version("llama-cpp-python")
    except importlib.metadata.PackageNotFoundError:
        binding = "unknown"
    return f"llama-cpp-python {binding}, llama.cpp {C.llama_version().decode('utf-8', 'replace')}"


class Model:
    """A model in memory, and its vocabulary.

    Args:
        path: The .gguf file.
        n_gpu_layers: Layers on the GPU, -1 for all.
        log: Keeps the lines of loading.
        keep_on: Asked while loading; False gives up.

    Raises:
        ModelInvalid, ModelUnsupported: The file is damaged, or of a kind this engine does not know.
        LoadFailed: Anything else, such as too little memory.
        InterruptedError: ``keep_on`` said no.
    """

    def __init__(self, path: str, n_gpu_layers: int, log: Log, keep_on: Callable[[], bool]) -> None:
        self.path = path
        gave_up = False

        def progress(_part: float, _data: object) -> bool:
            nonlocal gave_up
            gave_up = gave_up or not keep_on()
            return not gave_up

        params = C.llama_model_default_params()
        params.n_gpu_layers = n_gpu_layers
        callback = C.llama_progress_callback(progress)
        params.progress_callback = callback
        self.pointer = C.llama_model_load_from_file(path.encode(), params)
        if gave_up:
            self.close()
            raise InterruptedError
        if not self.pointer:
            raise _load_error(log.reason())
        self.vocabulary = C.llama_model_get_vocab(self.pointer)
        self.n_vocab: int = C.llama_vocab_n_tokens(self.vocabulary)
        self.n_ctx_train: int = C.llama_model_n_ctx_train(self.pointer)
        self.n_layers: int = C.llama_model_n_layer(self.pointer)
        self.n_embd: int = C.llama_model_n_embd_out(self.pointer)
        self.size_bytes: int = C.llama_model_size(self.pointer)
        self.generates = bool(C.llama_model_has_decoder(self.pointer)) and not C.llama_model_has_encoder(
            self.pointer
        )
        self.forgets = bool(C.llama_model_is_recurrent(self.pointer) or C.llama_model_is_hybrid(self.pointer))
        self.attends = not C.llama_model_is_recurrent(self.pointer)
        self.window: int = C.llama_model_n_swa(self.pointer)
        template = C.llama_model_chat_template(self.pointer, None)
        self.template: str = template.decode("utf-8", "replace") if template else ""
        self.bos_token: int = C.llama_vocab_bos(self.vocabulary)
        self.bos_text = self._text(self.bos_token)
        self.eos_text = self._text(C.llama_vocab_eos(self.vocabulary))
        self.adds_bos = bool(C.llama_vocab_get_add_bos(self.vocabulary)) and self.bos_token >= 0
        self.shown: frozenset[int] = frozenset()  # control tokens that are text: marks of thoughts
        self._pieces: dict[int, bytes] = {}
        self._ends: dict[int, bool] = {}
        self._buffer = ctypes.create_string_buffer(512)
        adds_blank = C.llama_vocab_type(self.vocabulary) in (C.LLAMA_VOCAB_TYPE_SPM, C.LLAMA_VOCAB_TYPE_UGM)
        self._plain = PlainTokenizer(self._tokenize, self._steering_text, adds_blank)

    def close(self) -> None:
        """Free the memory."""
        if self.pointer:
            C.llama_model_free(self.pointer)
            self.pointer = None

    def metadata(self, key: str) -> str:
        """Return a value of the file's header as text, empty when it is not there."""
        buffer = ctypes.create_string_buffer(1024)
        size = C.llama_model_meta_val_str(self.pointer, key.encode(), buffer, len(buffer))
        return buffer.value.decode("utf-8", "replace") if size >= 0 else ""

    def tokenize(self, text: str, *, parse_special: bool = False, add_special: bool = False) -> list[int]:
        """Return the tokens of ``text``; tokens that steer the model are found only when ``parse_special``.

        ``add_special`` puts the model's first and last control tokens around it.
        """
        if parse_special:
            return self._tokenize(text, parse_special=True, add_special=add_special)
        tokens = self._plain.tokens(text)
        if not add_special:
            return tokens
        first, last = self._surrounding()
        return [*first, *tokens, *last]

    def _tokenize(self, text: str, *, parse_special: bool = False, add_special: bool = False) -> list[int]:
        data = text.encode("utf-8", "replace")
        size = len(data) + 8
        tokens = (C.llama_token * size)()
        count = C.llama_tokenize(self.vocabulary, data, len(data), tokens, size, add_special, parse_special)
        if count < 0:
            tokens = (C.llama_token * -count)()
            count = C.llama_tokenize(
                self.vocabulary, data, len(data), tokens, -count, add_special, parse_special
            )
        return list(tokens[: max(0, count)])

    def _surrounding(self) -> tuple[list[int], list[int]]:
        """Return the control tokens that stand before and after a whole text."""
        inside = self._tokenize("a")
        around = self._tokenize("a", add_special=True)
        for at in range(len(around) - len(inside) + 1):
            if around[at : at + len(inside)] == inside:
                return around[:at], around[at + len(inside) :]
        return [], []

    def _steering_text(self, token: int) -> str:
        """Return the text of a token that steers the model, empty for one that only stands for its text.

        User-defined tokens of blanks or of one character are a way to write text shorter, as in Gemma.
        """
        attributes = C.llama_vocab_get_attr(self.vocabulary, token)
        if not attributes & (C.LLAMA_TOKEN_ATTR_CONTROL | C.LLAMA_TOKEN_ATTR_USER_DEFINED):
            return ""
        text = self._text(token)
        return text if len(text) > 1 and text.strip(" \n\r\t\u2581") else ""

    def specials(self, text: str) -> list[Special]:
        """Return the control tokens that the tokenizer finds in ``text``, in order."""
        found = []
        for token in self._tokenize(text, parse_special=True):
            attributes = C.llama_vocab_get_attr(self.vocabulary, token)
            if attributes & (C.LLAMA_TOKEN_ATTR_CONTROL | C.LLAMA_TOKEN_ATTR_USER_DEFINED):
                found.append(
                    Special(
                        token,
                        self._text(token),
                        bool(attributes & C.LLAMA_TOKEN_ATTR_LSTRIP),
                        bool(attributes & C.LLAMA_TOKEN_ATTR_RSTRIP),
                    )
                )
        return [special for special in found if special.text]

    @functools.cached_property
    def unspoken(self) -> tuple[int, ...]:
        """The tokens that stand for no text and do not end an answer."""
        kinds = C.LLAMA_TOKEN_ATTR_CONTROL | C.LLAMA_TOKEN_ATTR_UNKNOWN | C.LLAMA_TOKEN_ATTR_UNUSED
        attributes = C.llama_vocab_get_attr
        return tuple(
            token
            for token in range(self.n_vocab)
            if attributes(self.vocabulary, token) & kinds and not self.ends(token)
        )

    def ends(self, token: int) -> bool:
        """Tell whether ``token`` ends an answer."""
        known = self._ends.get(token)
        if known is None:
            known = self._ends[token] = bool(C.llama_vocab_is_eog(self.vocabulary, token))
        return known

    def piece(self, token: int) -> bytes:
        """Return the bytes that ``token`` stands for; a control token is nothing, but for thought marks."""
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._piece(token)
        return known

    def spelling(self, token: int) -> bytes:
        """Return the bytes that ``token`` stands for, nothing for one that steers the model."""
        return b"" if self._steering_text(token) else self.piece(token)

    def _piece(self, token: int) -> bytes:
        control = C.llama_vocab_get_attr(self.vocabulary, token) & C.LLAMA_TOKEN_ATTR_CONTROL
        shown = bool(control) and token in self.shown
        buffer = self._buffer
        size = C.llama_token_to_piece(self.vocabulary, token, buffer, len(buffer), 0, shown)
        if size < 0:
            self._buffer = buffer = ctypes.create_string_buffer(-size)
            size = C.llama_token_to_piece(self.vocabulary, token, buffer, len(buffer), 0, shown)
        return buffer.raw[: max(0, size)]

    def _text(self, token: int) -> str:
        if token < 0:
            return ""
        text = C.llama_vocab_get_text(self.vocabulary, token)
        return text.decode("utf-8", "replace") if text else ""


def _load_error(reason: str) -> ModelInvalid | ModelUnsupported | LoadFailed:
    if _UNKNOWN.search(reason):
        return ModelUnsupported(
            f"This engine cannot run the model ({reason})", "Choose another model, or update the application."
        )
    if _UNLOADABLE.search(reason):
        return ModelInvalid(f"The model file is damaged ({reason})", "Download or copy it again.")
    return LoadFailed(reason or "the engine gave no reason")


def quantize(source: str, target: str, file_type: str, n_threads: int, log: Log) -> None:
    """Write ``source`` anew as ``target`` in the layout ``file_type``.

    Raises:
        InvalidRequest: No such layout.
        ModelInvalid: The source cannot be read, or the target cannot be written.
    """
    if file_type not in FILE_TYPES:
        raise InvalidRequest(
            f"There is no layout named {file_type}", f"Choose one of {', '.join(FILE_TYPES)}."
        )
    params = C.llama_model_quantize_default_params()
    params.ftype = FILE_TYPES[file_type]
    params.nthread = n_threads
    params.allow_requantize = True  # Q4_1 to Q8_0 keeps the values and is only laid out anew
    log.start()
    failed = C.llama_model_quantize(source.encode(), target.encode(), ctypes.byref(params))
    log.stop()
    if failed:
        with contextlib.suppress(OSError):
            Path(target).unlink()
        reason = f" ({log.reason()})" if log.reason() else ""
        raise ModelInvalid(f"The model could not be prepared{reason}", "Use it as it is, or get it again.")
