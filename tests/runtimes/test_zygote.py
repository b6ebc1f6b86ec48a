"""The parts of a zygote that need no fork."""

import subprocess
import sys

import pytest

from tidegate.link.newborn import Cradle
from tidegate.link.zygote import Birth, receive_birth, send_birth
from tidegate.node.zygote_kinds import FORKED
from tidegate.runtimes.zygote.face import block, title
from tidegate.runtimes.zygote.preload import RUNTIMES


def test_the_node_asks_for_exactly_the_servers_that_zygotes_know():
    assert set(RUNTIMES) == FORKED


def test_a_title_is_cut_to_the_room_and_marked_as_one():
    assert title(("python", "-m", "x"), 16) == b"python -m x\0\0\0\0."
    assert title(("a" * 100,), 10) == b"a" * 8 + b"\0."
    assert title(("a",), 1) == b""


def test_an_environment_shows_the_mark_first_and_whole_variables_only():
    environ = {"A": "1", "LONG": "x" * 50, "TIDEGATE_POD": "uid/main/0"}
    assert block(environ, 32) == b"TIDEGATE_POD=uid/main/0\0A=1\0\0\0\0\0"
    assert len(block(environ, 200)) == 200


def test_an_area_too_small_for_anything_is_all_zeros():
    assert block({"TIDEGATE_POD": "uid/main/0"}, 8) == bytes(8)


def test_a_library_that_is_missing_is_left_to_the_children():
    """In a process of its own: this one has threads."""
    code = (
        "from tidegate.runtimes.zygote.preload import preload\n"
        "print(preload(['json.tool', 'no_such_library']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith('["no_such_library is left to the children: No module named')


@pytest.fixture
def pair():
    import socket

    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    yield ends
    for end in ends:
        end.close()


def test_a_birth_arrives_as_it_was_asked_with_its_channel(pair):
    import socket

    birth = Birth(("python", "-m", "x"), {"A": "ü"}, Cradle("/o", "/e", "/w", {7: (1, 2)}))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send_birth(pair[0], birth, theirs)
        got = receive_birth(pair[1])
        assert got is not None
        with got[1]:
            assert got[0] == birth
            got[1].send(b"h")
            assert ours.recv(1) == b"h"


def test_no_birth_comes_from_a_keeper_that_is_gone(pair):
    pair[0].close()
    assert receive_birth(pair[1]) is None


def test_an_environment_too_large_for_a_message_is_refused_to_the_asker(pair):
    import socket

    birth = Birth(("x",), {"A": "x" * 10_000_000}, Cradle("/o", "/e"))
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(OSError, match="too long"):
        send_birth(pair[0], birth, theirs)
