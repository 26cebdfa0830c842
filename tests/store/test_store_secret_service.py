"""A real keychain daemon, in a D-Bus session and a home of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
MISSING = [name for name in ("dbus-run-session", "gnome-keyring-daemon") if shutil.which(name) is None]


@pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
def test_a_real_secret_service_keeps_the_key(tmp_path):
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    script = (
        "printf pw | gnome-keyring-daemon --unlock --components=secrets >/dev/null 2>&1;"
        f' exec "{sys.executable}" "{HERE / "secret_service_child.py"}" "{tmp_path / "vault"}"'
    )
    result = subprocess.run(
        ["dbus-run-session", "--", "sh", "-c", script],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "XDG_RUNTIME_DIR": str(run),
            "XDG_DATA_HOME": str(tmp_path / "data"),
            "PYTHONPATH": str(HERE.parents[1]),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "probe True keyring.backends.SecretService.Keyring ",
        "found ['kept']",
        "slots ('keyring',)",
        "slots ('passphrase',)",
        "slots ('keyring',) open",
    ]
