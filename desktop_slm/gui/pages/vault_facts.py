"""What the Privacy section of the settings tells of the vault, and in which words."""

from __future__ import annotations

from dataclasses import dataclass

PROMISED = (
    "Encrypted while the vault is locked or the window is closed: chats and their titles, drafts, document "
    "texts and originals, summaries, translations, the search index, and what is saved for reopened chats."
)
NOT_PROMISED = (
    "Not protected: that this application is used, the names of model files, and anything while it is open "
    "against malware that runs as you. Memory that the system writes to its swap file is out of our reach."
)


@dataclass(frozen=True)
class VaultFacts:
    """What the Privacy section shows of the vault.

    Attributes:
        state: ``open``, ``locked``, ``none`` (nothing is saved) or another word of the vault's.
        slots: What opens it: ``keyring``, ``passphrase``.
        path: The folder.
        size: In words.
        states: Size of what is saved for reopened chats, in words; empty for nothing.
        cipher: Version of the cipher library.
        keychain: Name of the keychain, or why there is none, in a sentence.
        keychain_usable: It can keep the key.
        saving: What is written is kept.
    """

    state: str
    slots: tuple[str, ...] = ()
    path: str = ""
    size: str = ""
    states: str = ""
    cipher: str = ""
    keychain: str = ""
    keychain_usable: bool = False
    saving: bool = True


def vault_in_words(facts: VaultFacts) -> str:
    """Tell whether the vault is open and what opens it."""
    if not facts.saving and facts.state == "none":
        return "Nothing is saved yet: set a passphrase to keep what is here and everything from now on."
    if not facts.saving:
        return "Nothing is saved now. Your vault is still locked: start again and unlock it to keep things."
    if facts.slots == ("passphrase",):
        return "Open. Everything that is kept is encrypted; your passphrase opens it."
    return "Open. Everything that is kept is encrypted; the system keychain keeps the key."


def states_in_words(facts: VaultFacts) -> str:
    """Tell what the states beside the vault take, and what they are for."""
    if not facts.states:
        return "Nothing. What the model has read of a long chat is kept here when you leave it."
    return f"{facts.states}. What the model has read of your chats, so that they need not be read again."
