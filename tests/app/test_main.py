"""The control plane's process where it can't start."""

import json
import os
import socket
import subprocess
import sys

import pytest


@pytest.mark.slow
def test_a_database_that_can_not_be_opened_is_one_sentence_in_the_log(tmp_path):
    (tmp_path / "state.db").write_bytes(b"not a database at all" * 100)
    with socket.create_server(("127.0.0.1", 0)) as api:
        done = subprocess.run(
            [sys.executable, "-m", "tidegate.app"],
            env={
                **os.environ,
                "TIDEGATE_HOME": str(tmp_path),
                "TIDEGATE_FDS": json.dumps({"api": api.fileno()}),
            },
            pass_fds=(api.fileno(),),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "the control plane can't start: " in line
    assert "state.db is damaged" in line
