import socket
import threading

import pytest

from tidegate.link.sockets import receive_sockets, send_sockets
from tidegate.link.unix import connect_unix, listen_unix


def test_a_path_longer_than_an_address_can_be_bound_and_reached(tmp_path):
    folder = tmp_path / ("long" * 30)
    folder.mkdir()
    path = folder / "s.sock"
    with listen_unix(path) as server, connect_unix(path, timeout_s=1) as client:
        client.send(b"hello")
        server.setblocking(True)
        with server.accept()[0] as accepted:
            assert accepted.recv(10) == b"hello"


def test_what_a_dead_process_left_is_replaced(tmp_path):
    listen_unix(tmp_path / "s.sock").close()
    listen_unix(tmp_path / "s.sock").close()
    with pytest.raises(ConnectionRefusedError):
        connect_unix(tmp_path / "s.sock", timeout_s=1)


def serve_once(server, reply):
    server.setblocking(True)
    with server.accept()[0] as accepted:
        reply(accepted)


def test_listening_sockets_change_hands_and_keep_their_connections(tmp_path):
    listening = socket.create_server(("127.0.0.1", 0))
    with listening, listen_unix(tmp_path / "s.sock") as server:
        giver = threading.Thread(
            target=serve_once, args=(server, lambda to: send_sockets(to, {"gateway": listening}))
        )
        giver.start()
        taken = receive_sockets(tmp_path / "s.sock", timeout_s=2)["gateway"]
        giver.join()
    with taken, socket.create_connection(taken.getsockname(), timeout=2) as client:
        taken.setblocking(True)
        with taken.accept()[0] as accepted:
            assert accepted.getpeername() == client.getsockname()


@pytest.mark.parametrize("said", [b"", b"what\n", b'{"fds": ["gateway"]}\n', b"{}\n"])
def test_an_answer_without_sockets_is_an_error_not_a_crash(tmp_path, said):
    with listen_unix(tmp_path / "s.sock") as server:
        giver = threading.Thread(target=serve_once, args=(server, lambda to: to.send(said)))
        giver.start()
        with pytest.raises(OSError, match="no usable sockets"):
            receive_sockets(tmp_path / "s.sock", timeout_s=2)
        giver.join()
