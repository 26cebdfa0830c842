import pytest
from fake_keyring import ALLOWED, FakeKeyring, OtherKeyring, SharedKeyring, full_name
from keyring.backends import chainer, fail, null

from desktop_slm.errors import KeyringUnavailable
from desktop_slm.store import keyring_wall
from desktop_slm.store.keyring_wall import KeyringWall


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch, tmp_path):
    """Nothing of this computer's configuration takes part."""
    monkeypatch.delenv("PYTHON_KEYRING_BACKEND", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for cls in (SharedKeyring, OtherKeyring):
        monkeypatch.setattr(cls, "shared", {})


FOUND = {full_name(cls): ALLOWED[full_name(cls)] for cls in (OtherKeyring, SharedKeyring)}


def test_a_good_one_is_usable_and_left_clean(wall, keychain):
    state = wall.probe()
    assert (state.usable, state.backend, state.reason, state.problem) == (
        True,
        full_name(FakeKeyring),
        "",
        "",
    )
    assert keychain.items == {}


@pytest.mark.parametrize(
    ("fault", "problem"),
    [("locked", "locked"), ("denied", "denied"), ("broken pipe", "denied"), ("forgetful", "unreliable")],
)
def test_faults_are_named(wall, keychain, fault, problem):
    keychain.fault = fault
    state = wall.probe()
    assert not state.usable
    assert state.problem == problem
    assert state.reason


def test_a_hanging_one_is_given_up(keychain):
    keychain.fault = "hanging"
    state = KeyringWall(keychain, allowed=ALLOWED, limit_s=0.1).probe()
    keychain.released.set()
    assert state.problem == "timeout"


def test_its_own_timeout_is_named(keychain):
    def slow(*args):
        raise TimeoutError

    keychain.set_password = slow
    assert KeyringWall(keychain, allowed=ALLOWED).probe().problem == "timeout"


@pytest.mark.parametrize("backend", [null.Keyring(), fail.Keyring(), chainer.ChainerBackend(), object()])
def test_others_are_refused(backend):
    wall = KeyringWall(backend)
    state = wall.probe()
    assert (state.usable, state.problem) == (False, "refused")
    assert state.backend in state.reason
    for call in (lambda: wall.set("item", b"x"), lambda: wall.get("item", state.backend)):
        with pytest.raises(KeyringUnavailable):
            call()


def test_a_plaintext_one_is_refused_and_gets_nothing():
    class PlaintextKeyring(FakeKeyring):
        pass

    PlaintextKeyring.__module__ = "keyrings.alt.file"
    plain = PlaintextKeyring()
    assert KeyringWall(plain).probe().problem == "refused"
    with pytest.raises(KeyringUnavailable, match="does not keep secrets encrypted"):
        KeyringWall(plain).set("item", b"x")
    assert plain.items == {}


def test_the_list_is_the_four_that_encrypt():
    modules = {name.split(".")[2] for name in keyring_wall.ALLOWED}
    assert modules == {"SecretService", "libsecret", "kwallet", "macOS", "Windows"}
    assert all(name.startswith("keyring.backends.") for name in keyring_wall.ALLOWED)


def test_none_is_named(monkeypatch):
    for cls in (SharedKeyring, OtherKeyring):
        monkeypatch.setattr(cls, "viable", False)
    wall = KeyringWall(allowed={**FOUND, "no.such.Module": "nothing"})
    assert wall.probe().problem == "missing"
    with pytest.raises(KeyringUnavailable, match="No system keychain was found"):
        wall.set("item", b"x")


def test_the_best_one_is_taken_and_then_kept(monkeypatch):
    wall = KeyringWall(allowed=FOUND)
    assert wall.set("item", b"secret") == full_name(SharedKeyring)
    assert list(SharedKeyring.shared.values()) == [b"secret".hex()]
    monkeypatch.setattr(OtherKeyring, "priority", 9.0)
    assert wall.probe().backend == full_name(OtherKeyring)
    assert wall.get("item", full_name(SharedKeyring)) == b"secret"
    wall.delete("item", full_name(SharedKeyring))
    assert wall.get("item", full_name(SharedKeyring)) is None


def test_a_changed_one_is_named(monkeypatch):
    wall = KeyringWall(allowed=FOUND)
    backend = wall.set("item", b"secret")
    monkeypatch.setattr(SharedKeyring, "viable", False)
    with pytest.raises(KeyringUnavailable, match="in the first keychain, and this session has the second"):
        wall.get("item", backend)
    assert OtherKeyring.shared == {}


def test_the_environment_can_switch_it_off_but_not_exchange_it(monkeypatch):
    wall = KeyringWall(allowed=FOUND)
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    assert wall.probe().problem == "refused"
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", full_name(OtherKeyring))
    assert wall.probe().backend == full_name(OtherKeyring)


def test_the_configuration_file_can_switch_it_off(monkeypatch, tmp_path):
    from keyring.util import platform_

    monkeypatch.setattr(platform_, "config_root", lambda: tmp_path)
    config = tmp_path / "keyringrc.cfg"
    wall = KeyringWall(allowed=FOUND)
    config.write_text("[backend]\ndefault-keyring=keyring.backends.null.Keyring\nkeyring-path=/nowhere\n")
    assert wall.probe().problem == "refused"
    for broken in ("[backend]\n", "nonsense", "[other]\nx=1\n", "[backend]\ndefault-keyring=%(x)s %\n"):
        config.write_text(broken)
        wall.probe()
    config.unlink()
    assert wall.probe().usable


def test_secrets_are_bytes(wall, keychain):
    secret = bytes(range(256))
    backend = wall.set("item", secret)
    assert wall.get("item", backend) == secret
    keychain.items = dict.fromkeys(keychain.items, "zz")
    with pytest.raises(KeyringUnavailable, match="something else"):
        wall.get("item", backend)


def test_a_bug_stays_a_bug(wall, keychain):
    def broken(*args):
        raise ZeroDivisionError

    keychain.get_password = broken
    with pytest.raises(ZeroDivisionError):
        wall.probe()
