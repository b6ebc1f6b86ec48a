"""The control socket: requests in, answers and events out.

Clients are not trusted to behave: garbage gets an error, a line without end loses the connection, and
so does a client that doesn't read (its answers are kept up to a bound). None of them stops the loop.
"""

import socket
import traceback
from collections.abc import Callable, Mapping
from functools import partial

from tidegate.keeper.errors import BadRequest, KeeperError, SystemRefused
from tidegate.keeper.loop import READ, WRITE, Loop
from tidegate.link.frames import Lines, LineTooLong, NotAnObject, decode_line, encode_line

UNREAD_BYTES = 8 * 2**20  # a subscription's answer for 10,000 processes is some 2 MiB
_READ_BYTES = 256 * 1024
_ACCEPT_AGAIN_S = 0.1  # after the machine had no descriptor for another client

Answer = Callable[[Mapping[str, object] | KeeperError], None]
Ask = Callable[["Connection", str, Mapping[str, object], Answer], None]


class Connection:
    """One client. `subscribed` ones get the events."""

    def __init__(
        self, sock: socket.socket, loop: Loop, close: Callable[["Connection"], None]
    ) -> None:
        self.subscribed = False
        self._sock, self._loop, self._on_close = sock, loop, close
        self._lines = Lines()
        self._unsent = bytearray()
        self._open = True

    @property
    def fd(self) -> int:
        return self._sock.fileno()

    def read(self) -> list[bytes]:
        """Lines that have come; closes at the end. Raises `LineTooLong`."""
        try:
            data = self._sock.recv(_READ_BYTES)
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data:
            self.close()
            return []
        return self._lines.feed(data)

    def send(self, message: Mapping[str, object]) -> None:
        """Now, or when the client reads; a client too far behind is dropped."""
        if not self._open:
            return
        self._unsent += encode_line(message)
        self.flush()
        if len(self._unsent) > UNREAD_BYTES:
            self._loop.report("a client does not read what it asked for: dropped")
            self.close()

    def flush(self) -> None:
        try:
            while self._unsent:
                sent = self._sock.send(memoryview(self._unsent)[:_READ_BYTES])
                del self._unsent[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        self._loop.watch_also(self.fd, READ | WRITE if self._unsent else READ)

    def close(self) -> None:
        if self._open:
            self._open = False
            self._loop.unwatch(self.fd)
            self._sock.close()
            self._on_close(self)


class Server:
    """Owned by the loop. `ask(connection, op, fields, answer)` does the work; it may answer later."""

    def __init__(self, sock: socket.socket, loop: Loop, ask: Ask) -> None:
        self._sock, self._loop, self._ask = sock, loop, ask
        self._connections: set[Connection] = set()
        self._listening = True
        loop.watch(sock.fileno(), self._accept)

    def publish(self, event: Mapping[str, object]) -> None:
        """To every subscriber."""
        for connection in list(self._connections):
            if connection.subscribed:
                connection.send(event)

    def stop_listening(self) -> None:
        """No new client; those that are there may still be answered."""
        self._listening = False
        self._loop.unwatch(self._sock.fileno())
        self._sock.close()

    def close(self) -> None:
        for connection in list(self._connections):
            connection.close()

    def _accept(self, _: int) -> None:
        try:
            sock, _address = self._sock.accept()
        except (BlockingIOError, ConnectionAbortedError):  # gone again
            return
        except OSError:  # no descriptors left: it would stay ready, and we turn for nothing
            self._loop.unwatch(self._sock.fileno())
            self._loop.after(_ACCEPT_AGAIN_S, self._accept_again)
            return
        sock.setblocking(False)
        connection = Connection(sock, self._loop, self._connections.discard)
        self._connections.add(connection)
        self._loop.watch(sock.fileno(), partial(self._ready, connection))

    def _accept_again(self) -> None:
        if self._listening:
            self._loop.watch(self._sock.fileno(), self._accept)

    def _ready(self, connection: Connection, events: int) -> None:
        if events & WRITE:
            connection.flush()
        if events & READ:
            try:
                lines = connection.read()
            except LineTooLong as why:
                connection.send({"id": None, "error": str(why), "errno": None})
                connection.close()
                return
            for line in lines:
                self._handle(connection, line)

    def _handle(self, connection: Connection, line: bytes) -> None:
        number: object = None

        def answer(what: Mapping[str, object] | KeeperError) -> None:
            if isinstance(what, KeeperError):
                connection.send({"id": number, "error": str(what), "errno": what.errno})
            else:
                connection.send({"id": number, "ok": True, **what})

        try:
            request = decode_line(line)
            number = request.pop("id", None)
            op = request.pop("op", None)
            if not isinstance(op, str):
                raise BadRequest(f"op must be a string, not {op!r}")
            self._ask(connection, op, request, answer)
        except NotAnObject as why:
            answer(BadRequest(str(why)))
        except KeeperError as why:
            answer(why)
        except OSError as why:
            answer(SystemRefused(str(why), why.errno))
        except Exception as why:  # noqa: BLE001 - who asked must hear of it, whatever it was
            self._loop.report(f"a mistake of ours, please report it:\n{traceback.format_exc()}")
            answer(BadRequest(f"the keeper failed at this ({why!r}), its log has more"))
