"""What single header lines mean to us, remembered line by line.

Most lines of most requests are the same as a moment ago (User-Agent, Accept, Host, ...), so a line that
was understood once is looked up the next time: a third of the cost of reading it again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

_TOKEN: Final = bytes(
    sorted(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
)
_FIELD_TEXT: Final = bytes(c for c in range(256) if c == 9 or (c >= 32 and c != 127))
_KNOWN_LINES: Final = 4096  # lines remembered; clients can invent them, so bounded
_KNOWN_LINES_OF_NAME: Final = 256  # a name with more values than this has a new one each time
_KNOWN_BYTES: Final = 160  # of one of them
_KNOWN_NAMES: Final = 1024  # spellings


class BadHead(Exception):
    """A head that can't be trusted. `status` is the answer it deserves, `reason` one word for machines."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        self.status, self.reason = status, reason
        super().__init__(message)


class Means(IntEnum):
    """What a field is to us."""

    PLAIN = 0  # goes on as it came
    DROP = 1  # of one hop only, or not for outsiders to say
    HOST = 2
    LENGTH = 3
    CODING = 4
    CONNECTION = 5
    EXPECT = 6
    UPGRADE = 7
    FORWARDED_FOR = 8
    FORWARDED = 9  # goes on only from a proxy that is trusted
    TE = 10  # whether trailers are understood
    PRIORITY = 11  # whether it takes only what others leave


Field = tuple[Means, bytes]  # the value without surrounding space; of FORWARDED the whole line
PLAIN: Final[Field] = (Means.PLAIN, b"")  # the one plain field, so `is` tells

_OF_ONE_HOP: Final = dict.fromkeys(  # RFC 9110 7.6.1
    (b"keep-alive", b"proxy-connection", b"trailer"), Means.DROP
)
REQUEST_MEANINGS: Final[Mapping[bytes, Means]] = {
    **_OF_ONE_HOP,
    b"host": Means.HOST,
    b"content-length": Means.LENGTH,
    b"transfer-encoding": Means.CODING,
    b"connection": Means.CONNECTION,
    b"expect": Means.EXPECT,
    b"upgrade": Means.UPGRADE,
    b"x-forwarded-for": Means.FORWARDED_FOR,
    b"x-forwarded-proto": Means.FORWARDED,
    b"x-forwarded-host": Means.FORWARDED,
    b"forwarded": Means.FORWARDED,
    b"proxy-authorization": Means.DROP,
    b"te": Means.TE,
    b"http2-settings": Means.DROP,
    b"tidegate-priority": Means.PRIORITY,
    # Words between Knative's own parts: nobody outside may say them.
    b"knative-serving-namespace": Means.DROP,
    b"knative-serving-revision": Means.DROP,
    b"k-proxy-request": Means.DROP,
}
ANSWER_MEANINGS: Final[Mapping[bytes, Means]] = {
    **_OF_ONE_HOP,
    b"content-length": Means.LENGTH,
    b"transfer-encoding": Means.CODING,
    b"connection": Means.CONNECTION,
    b"upgrade": Means.UPGRADE,
}


@dataclass(slots=True)
class Name:
    """A field's name in one spelling, and how many lines with it are remembered."""

    means: Means
    lines: int = 0


class Lines:
    """The lines of requests, or of answers, understood so far. `known` is for reading only."""

    __slots__ = ("_meanings", "_names", "known")

    def __init__(self, meanings: Mapping[bytes, Means]) -> None:
        self._meanings = meanings
        self._names: dict[bytes, Name] = {}
        self.known: dict[bytes, Field] = {}

    def learn(self, line: bytes) -> Field:
        """What a line means that is not known. Raises `BadHead`, also for one folded onto the line before."""
        spelled, colon, value = line.partition(b":")
        name = self._names.get(spelled)
        if name is None or not colon:
            name = self._learn_name(spelled, line)
        means = name.means
        if means is Means.PLAIN:
            field = PLAIN
        else:
            field = (means, line if means is Means.FORWARDED else value.strip(b" \t"))
        if name.lines < _KNOWN_LINES_OF_NAME and len(line) <= _KNOWN_BYTES:
            if len(self.known) >= _KNOWN_LINES:
                self.known.clear()
                self._names.clear()
            name.lines += 1
            self.known[line] = field
        return field

    def _learn_name(self, spelled: bytes, line: bytes) -> Name:
        if line[len(spelled) : len(spelled) + 1] != b":" or not is_token(spelled):
            raise BadHead(
                400, "bad-header", f"{line[:80]!r} is not a header: write `name: value`, not folded"
            )
        name = Name(self._meanings.get(spelled.lower(), Means.PLAIN))
        if len(self._names) < _KNOWN_NAMES and len(spelled) <= _KNOWN_BYTES:
            self._names[spelled] = name
        return name


class Priority(IntEnum):
    """Who goes first. All but ordinary requests may be broken off when their place is wanted."""

    ORDINARY = 0
    BATCH = 1  # takes what others leave, and asks for no further replicas
    BATCH_DEMAND = 2  # the same, but scaling counts it


_PRIORITIES: Final = {
    b"online": Priority.ORDINARY,
    b"batch": Priority.BATCH,
    b"batch-demand": Priority.BATCH_DEMAND,
}


def priority_of(value: bytes) -> Priority:
    """What a Tidegate-Priority header says. Raises `BadHead`."""
    found = _PRIORITIES.get(value.lower())
    if found is None:
        raise BadHead(
            400,
            "bad-priority",
            f"Tidegate-Priority {value[:40].decode('latin-1')!a}: it is online, batch or"
            " batch-demand",
        )
    return found


def check_bytes(head: bytes, lines: int) -> None:
    """No control bytes, and no CR or LF but those that part its lines. Raises `BadHead`."""
    if head.translate(None, _FIELD_TEXT) != b"\r\n" * (lines - 1):
        raise BadHead(
            400, "bad-byte", "the head has a control byte or a line end that is not CR LF"
        )


def is_token(word: bytes) -> bool:
    """Whether it is a word as methods and names are (RFC 9110 5.6.2)."""
    return bool(word) and not word.translate(None, _TOKEN)
