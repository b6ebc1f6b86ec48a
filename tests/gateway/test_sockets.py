"""Unix sockets are bound by rename, at paths of any length."""

import pytest

from tidegate.gateway.sockets import bind_unix, connect_unix


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    return folder / "gateway.sock"


def test_a_path_longer_than_an_address_can_be_bound_and_reached(path):
    assert len(str(path)) > 107
    with bind_unix(path), connect_unix(path) as client:
        assert client.getpeername()


def test_a_stale_socket_and_a_plain_file_do_not_block(path):
    bind_unix(path).close()
    with pytest.raises(ConnectionRefusedError):
        connect_unix(path)
    with bind_unix(path):
        connect_unix(path).close()
    path.unlink()
    path.write_text("a file")
    with bind_unix(path):
        connect_unix(path).close()


def test_the_later_of_two_is_reached_and_the_earlier_may_close_without_harm(path):
    earlier, later = bind_unix(path), bind_unix(path)
    earlier.close()
    with later, connect_unix(path) as client:
        later.setblocking(True)
        accepted, _ = later.accept()
        with accepted:
            accepted.sendall(b"here")
            client.setblocking(True)
            assert client.recv(4) == b"here"


def test_only_this_user_can_connect(path):
    with bind_unix(path):
        assert path.stat().st_mode & 0o077 == 0
