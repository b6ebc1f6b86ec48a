"""Streams in the messages of one WebSocket, and who gets one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest

from tidegate.apiserver.admission import Admission
from tidegate.apiserver.channels import (
    V4,
    V5,
    Channel,
    Close,
    Data,
    Size,
    ended,
    joined,
    size_of,
    split,
)
from tidegate.apiserver.exchange import Ask, parse_query
from tidegate.apiserver.local import ensure_namespaces
from tidegate.apiserver.routes import Api
from tidegate.apiserver.sessions import Closed, Session
from tidegate.model.containers import Container
from tidegate.model.errors import ApiError, BadRequest, NotFound
from tidegate.model.meta import ObjectMeta
from tidegate.model.pods import Pod, PodSpec
from tidegate.testing.api import make_api
from tidegate.testing.clocks import LoopClock

pytestmark = pytest.mark.looptime

POD = "/api/v1/namespaces/default/pods/p"


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"\x00abc", Data(Channel.STDIN, b"abc")),
        (b"\x00", Data(Channel.STDIN, b"")),
        (b"\xff\x00", Close(Channel.STDIN)),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_a_message_begins_with_its_channel(message, said):
    assert split(message) == said


@pytest.mark.parametrize(
    ("message", "size"),
    [
        (b'{"Width": 80, "Height": 24}', Size(80, 24)),
        (b'{"Width": 0, "Height": 24}', None),
        (b'{"Width": 80}', None),
        (b"[]", None),
        (b"\xff", None),
    ],
)
def test_a_terminals_size_is_two_numbers_or_nothing(message, size):
    assert size_of(message) == size


class FakeCommand:
    """Repeats its input in capitals and ends with it; `code` is how."""

    def __init__(self, code: int, *, endless: bool = False) -> None:
        self.code, self.endless, self.was_ended = code, endless, False
        self.size: tuple[int, int] | None = None
        self._out: asyncio.Queue[bytes] = asyncio.Queue()
        self._done = asyncio.Event()

    async def read(self, channel: Channel) -> bytes:
        return await self._out.get() if channel is Channel.STDOUT else b""

    async def write(self, data: bytes) -> None:
        self._out.put_nowait(data.upper())

    async def close_input(self) -> None:
        self._out.put_nowait(b"")
        self._done.set()

    def resize(self, columns: int, rows: int) -> None:
        self.size = (columns, rows)

    async def ended(self) -> int:
        if self.endless:
            await asyncio.Event().wait()
        await self._done.wait()
        return self.code

    async def end(self) -> None:
        self.was_ended = True


class Commands:
    """A source with one command, or a reason why not."""

    def __init__(self, command: FakeCommand | None = None) -> None:
        self.command, self.argv = command, ()

    async def start(
        self,
        namespace: str,
        pod: str,
        container: str,
        argv: Sequence[str],
        *,
        stdin: bool,
        tty: bool,
    ) -> FakeCommand:
        self.argv = tuple(argv)
        if self.command is None:
            raise ApiError(f'exec: "{argv[0]}": executable file not found in $PATH')
        return self.command


class Line:
    """A client: what it sends in turn, then it waits or leaves; what it was told."""

    def __init__(self, *sends: bytes, leaves: bool = False) -> None:
        self.protocol, self.sends, self.leaves = V5, list(sends), leaves
        self.told: list[bytes] = []

    async def receive(self) -> bytes:
        await asyncio.sleep(0.01)
        if self.sends:
            return self.sends.pop(0)
        if not self.leaves:
            await asyncio.Event().wait()
        raise Closed

    async def send(self, message: bytes) -> None:
        self.told.append(message)


async def connect(url: str, commands: Commands | None = None, *containers: str) -> Session:
    clock = LoopClock()
    local = make_api(clock, Admission(lambda name: {}))
    await ensure_namespaces(local)
    spec = PodSpec(containers=tuple(Container(name=c, image="x:1") for c in containers or ("c",)))
    await local.create(Pod(metadata=ObjectMeta(name="p", namespace="default"), spec=spec))
    path, _, query = url.partition("?")
    ask = Ask("GET", path, parse_query(query), query_string=query)
    return await Api(local.writes, clock, commands=commands).connect(ask)


async def test_input_goes_in_output_comes_out_and_the_last_message_is_the_exit_code():
    command = FakeCommand(7)
    source, line = Commands(command), Line(joined(Channel.STDIN, b"abc"), b"\xff\x00")
    url = f"{POD}/exec?command=tr&command=a-z&command=&stdin=true&stdout=true&stderr=true"
    await (await connect(url, source)).run(line)
    assert source.argv == ("tr", "a-z", "")
    assert line.told == [joined(Channel.STDOUT, b"ABC"), ended(7)]
    status = json.loads(line.told[-1][1:])
    assert status["details"] == {"causes": [{"reason": "ExitCode", "message": "7"}]}
    assert command.was_ended


async def test_false_means_false_input_that_was_not_asked_for_goes_nowhere():
    command = FakeCommand(0)
    line = Line(joined(Channel.STDIN, b"abc"), b"\xff\x00", leaves=True)
    session = await connect(f"{POD}/exec?command=x&stdin=false&stdout=true", Commands(command))
    with pytest.raises(Closed):
        await session.run(line)
    assert line.told == []


async def test_a_terminal_is_resized():
    command = FakeCommand(0)
    size = joined(Channel.RESIZE, b'{"Width": 132, "Height": 50}')
    line = Line(size, b"\xff\x00")
    url = f"{POD}/exec?command=sh&stdin=true&stdout=true&tty=true"
    await (await connect(url, Commands(command))).run(line)
    assert command.size == (132, 50)


async def test_a_client_that_leaves_ends_the_command():
    command = FakeCommand(0, endless=True)
    session = await connect(f"{POD}/exec?command=x&stdout=true", Commands(command))
    with pytest.raises(Closed):
        await session.run(Line(leaves=True))
    assert command.was_ended


async def test_a_client_that_is_gone_is_noticed_while_the_command_reads_no_input():
    class Stuck(FakeCommand):
        async def write(self, data: bytes) -> None:
            await asyncio.Event().wait()

    class Gone(Line):
        async def send(self, message: bytes) -> None:
            raise Closed

    command = Stuck(0, endless=True)
    session = await connect(f"{POD}/exec?command=x&stdin=true&stdout=true", Commands(command))
    with pytest.raises(Closed):
        await session.run(Gone(joined(Channel.STDIN, b"abc")))
    assert command.was_ended


async def test_a_command_that_can_not_be_started_says_why_on_the_error_channel():
    line = Line()
    await (await connect(f"{POD}/exec?command=nope&stdout=true", Commands())).run(line)
    (told,) = line.told
    assert told[0] == Channel.ERROR
    assert json.loads(told[1:])["message"] == 'exec: "nope": executable file not found in $PATH'


@pytest.mark.parametrize(
    ("url", "error", "says"),
    [
        (f"{POD}/exec?stdout=true", BadRequest, "at least 1 command"),
        (f"{POD}/exec?command=x", BadRequest, "one of stdin, stdout and stderr"),
        (f"{POD}/exec?command=x&stdout=true&container=z", BadRequest, "container z is not valid"),
        (f"{POD}x/exec?command=x&stdout=true", NotFound, '"px" not found'),
        (f"{POD}/attach", BadRequest, "attach is not possible"),
        (f"{POD}/log", BadRequest, "no WebSocket here"),
        ("/api/v1/namespaces/default/services/p/exec", BadRequest, "no WebSocket here"),
    ],
)
async def test_what_can_not_be_is_refused_before_the_handshake(url, error, says):
    with pytest.raises(error, match=says):
        await connect(url, Commands(FakeCommand(0)))


async def test_among_several_containers_one_must_be_named():
    with pytest.raises(BadRequest, match=r"choose one of: \[a b\]"):
        await connect(f"{POD}/exec?command=x&stdout=true", Commands(), "a", "b")


def test_the_best_protocol_that_both_speak_is_taken():
    async def run(socket: object) -> None: ...

    assert Session((V5, V4), run).protocol_for(["x", V4, V5]) == V5
    assert Session((V5, V4), run).protocol_for([V4]) == V4
    assert Session((V5,), run, unnamed=V4).protocol_for([]) == V4
    with pytest.raises(BadRequest, match=r"offers the WebSocket protocols \[\]"):
        Session((V5,), run).protocol_for([])
