"""The error tree: every failure a person may see, with what happened and what to do next.

    DesktopSlmError                 expected, shown as it is: title = what happened, message = what to do next
    ├── NotYet                      a command that the contract names and this version does not have
    ├── InvalidRequest              an argument out of range, an unknown id
    ├── DocumentError               reading a document
    │   ├── DocumentNotFound
    │   ├── DocumentEmpty           0 bytes, or nothing in it that can be read
    │   ├── DocumentEncrypted       needs a password (wrong_password says that one was tried)
    │   ├── DocumentDamaged         truncated, not what its name says
    │   ├── DocumentUnsupported     a format we do not read
    │   └── DocumentTooLarge        size, pages, archive ratio, time or memory over the limits
    ├── ModelError                  model files and the shelf
    │   ├── ModelNotFound
    │   ├── ModelInvalid            0 bytes, truncated, not a GGUF, damaged header
    │   ├── ModelTooLarge           needs more memory than there is; said before loading
    │   └── ModelUnsupported        a real GGUF that this engine or task cannot use
    ├── EngineError                 inference
    │   ├── EngineCrashed           the worker process died; carries the reason
    │   ├── EngineUnresponsive      the worker did not answer and was ended
    │   ├── LoadFailed              every rung of the ladder failed
    │   └── ContextExceeded         needed and available tokens
    ├── ReaderCrashed               the document reader process died
    └── VaultError                  keys and database
        ├── VaultLocked             nothing can be read or kept until it is unlocked
        ├── WrongPassphrase
        ├── KeyringUnavailable
        ├── VaultMissing            key file present, database gone: never recreated
        ├── VaultDamaged
        ├── VaultInUse              another process holds it
        └── StorageFailed           disk full, read-only, input/output error

Anything else that reaches the top is a bug. Being cancelled is a state, not an error.
"""


class DesktopSlmError(Exception):
    """An expected failure, worded for the person who meets it.

    Args:
        title: What happened, one short sentence without a period.
        message: What to do next, one sentence.
    """

    code = "error"

    def __init__(self, title: str, message: str = "") -> None:
        super().__init__(title, message)
        self.title = title
        self.message = message

    def __str__(self) -> str:
        return f"{self.title}. {self.message}" if self.message else f"{self.title}."


class NotYet(DesktopSlmError):
    """A command of the contract that this version does not have."""

    code = "not_yet"


class InvalidRequest(DesktopSlmError):
    """An argument out of range, or the id of something that does not exist."""

    code = "invalid_request"


class DocumentError(DesktopSlmError):
    """A document could not be read."""

    code = "document"


class DocumentNotFound(DocumentError):
    """No file at the path."""

    code = "document_not_found"


class DocumentEmpty(DocumentError):
    """0 bytes, or nothing in it that can be read."""

    code = "document_empty"


class DocumentEncrypted(DocumentError):
    """The document needs a password."""

    code = "document_encrypted"

    def __init__(self, title: str, message: str = "", *, wrong_password: bool = False) -> None:
        super().__init__(title, message)
        self.wrong_password = wrong_password


class DocumentDamaged(DocumentError):
    """Truncated, or not what its name says."""

    code = "document_damaged"


class DocumentUnsupported(DocumentError):
    """A format that is not read."""

    code = "document_unsupported"


class DocumentTooLarge(DocumentError):
    """Over a limit of size, pages, archive ratio, time or memory."""

    code = "document_too_large"


class ReaderCrashed(DocumentError):
    """The document reader process died while reading."""

    code = "reader_crashed"


class ModelError(DesktopSlmError):
    """A model file or the shelf."""

    code = "model"


class ModelNotFound(ModelError):
    """No installed model of that name, or no file at the path."""

    code = "model_not_found"


class ModelInvalid(ModelError):
    """Not a usable GGUF: empty, truncated, damaged or something else."""

    code = "model_invalid"


class ModelUnsupported(ModelError):
    """A real GGUF that this engine, or this task, cannot use."""

    code = "model_unsupported"


class ModelTooLarge(ModelError):
    """The model needs more memory than this computer has free."""

    code = "model_too_large"


class EngineError(DesktopSlmError):
    """Inference."""

    code = "engine"


class EngineCrashed(EngineError):
    """The inference worker died.

    Args:
        title: What happened.
        message: What to do next.
        signal: Number of the signal that ended it, 0 if it exited by itself.
        log: Its last log lines, free of user text.
    """

    code = "engine_crashed"

    def __init__(self, title: str, message: str = "", *, signal: int = 0, log: str = "") -> None:
        super().__init__(title, message)
        self.signal = signal
        self.log = log


class EngineUnresponsive(EngineError):
    """The worker did not answer in time and was ended."""

    code = "engine_unresponsive"


class LoadFailed(EngineError):
    """The model could not be loaded on any device or context size tried."""

    code = "load_failed"


class ContextExceeded(EngineError):
    """The request does not fit in the model's context.

    Args:
        needed: Tokens of the prompt plus at least one of the answer.
        available: Tokens of the context.
        subject: What needs them, where there are several texts.
    """

    code = "context_exceeded"

    def __init__(self, needed: int, available: int, subject: str = "The text") -> None:
        super().__init__(
            f"{subject} needs {needed:,} tokens and the model's context holds {available:,}",
            "Shorten the text, start a new chat, or choose a model with a longer context.",
        )
        self.needed = needed
        self.available = available


class VaultError(DesktopSlmError):
    """Keys and database."""

    code = "vault"


class VaultLocked(VaultError):
    """The vault must be unlocked first."""

    code = "vault_locked"


class WrongPassphrase(VaultError):
    """The passphrase does not open this vault."""

    code = "wrong_passphrase"


class KeyringUnavailable(VaultError):
    """The system keychain cannot be used, or does not hold the key."""

    code = "keyring_unavailable"


class VaultMissing(VaultError):
    """The key file is there and the database is gone."""

    code = "vault_missing"


class VaultDamaged(VaultError):
    """The database or the key file cannot be read."""

    code = "vault_damaged"


class VaultInUse(VaultError):
    """Another process of ours holds the vault."""

    code = "vault_in_use"


class StorageFailed(VaultError):
    """Disk full, read-only, input/output error."""

    code = "storage_failed"
