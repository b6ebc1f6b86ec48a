"""Reads one part of a remote file into its place, whatever the connection does meanwhile."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from http.client import HTTPException, HTTPResponse

from tidegate.modelcache.checksums import stated
from tidegate.modelcache.errors import Changed, Interrupted
from tidegate.modelcache.incoming import Incoming, Part
from tidegate.modelcache.patience import Cut, Tries
from tidegate.modelcache.remotes import Context, Remote
from tidegate.modelcache.web import Request, Web, refusal, said

_CHUNK = 512 * 1024
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class Reader:
    """One thread's way of reading. `came` is told the bytes as they come (negative: dropped)."""

    def __init__(self, remote: Remote, context: Context, came: Callable[[int], None]) -> None:
        self._remote, self._context, self._came = remote, context, came
        self._web = Web(remote.tls, context.patience)

    def close(self) -> None:
        self._web.close()

    def read(self, incoming: Incoming, part: Part) -> None:
        """All bytes of the part, tried again as long as something comes.

        Raises `CacheError`: `Changed` when the object isn't the one that was listed. OSError is the disk's.
        """
        what = self._remote.what(incoming.file)
        tries = Tries(what, self._context.patience, self._context.stop, self._context.note)
        position = part.start
        while part.end is None or position < part.end:
            before = position
            try:
                with self._web.open(self._request(incoming, position, part)) as answer:
                    skip = self._offset(answer, incoming, position, what)
                    if isinstance(skip, str):
                        tries.wait(skip, _retry_after(answer))
                        continue
                    position = self._pour(answer, incoming, position, part.end, skip)
                if part.end is None:
                    return
            except _Short as short:
                position = short.position
                self._again(incoming, part, tries, short, came=position > before)
                position = part.start if part.end is None else position
            except _Disk as disk:
                raise disk.why from disk
            except Cut as why:
                self._again(incoming, part, tries, why, came=position > before)
                position = part.start if part.end is None else position

    def _again(self, incoming: Incoming, part: Part, tries: Tries, why: Cut, *, came: bool) -> None:
        if part.end is None:  # no ranges: from its start again
            self._came(-incoming.start_over())
        elif came:
            tries.progress()
        tries.wait(why)

    def _request(self, incoming: Incoming, position: int, part: Part) -> Request:
        request = self._remote.request(incoming.file)
        headers = list(request.headers)
        if incoming.file.ranged and part.end is not None:
            headers.append(("Range", f"bytes={position}-{part.end - 1}"))
        weak = incoming.file.etag.startswith("W/")  # never matches, by definition
        if self._remote.tells_etags and incoming.file.etag and not weak:
            headers.append(("If-Match", f'"{incoming.file.etag}"'))
        return Request(request.url, tuple(headers))

    def _offset(
        self, answer: HTTPResponse, incoming: Incoming, position: int, what: str
    ) -> int | str:
        """How many bytes to skip; a string: the server can't now."""
        file = incoming.file
        if answer.status in (404, 410, 412, 416):
            raise Changed(
                f"{what}: it changed while it was read, again and again: try when it rests"
            )
        if answer.status not in (200, 206):
            error = refusal(what, answer, keys=self._remote.signs)
            if error is not None:
                raise error
            return f"the store answers {answer.status} {answer.reason}"
        headers = {name.lower(): value for name, value in answer.getheaders()}
        etag = headers.get("etag", "").removeprefix("W/").strip('"')
        other = (
            self._remote.tells_etags and file.etag and etag and etag != file.etag.removeprefix("W/")
        )
        told = headers.get("last-modified", "")
        if not file.etag and file.whole and told and file.modified and told != file.modified:
            other = True
        found = _RANGE.fullmatch(headers.get("content-range", ""))
        if found is not None and found[3] != "*" and file.size not in (-1, int(found[3])):
            other = True
        if found is None and answer.length is not None and file.size not in (-1, answer.length):
            other = True
        if other:
            raise Changed(
                f"{what}: it changed while it was read, again and again: try when it rests"
            )
        incoming.state(stated(headers, whole=found is None))
        # Some servers answer a range with 200 and the range in a header, some without ranges
        # send everything: what was asked for is somewhere in it.
        first = int(found[1]) if found is not None else 0
        if first > position:
            return f"the store sent bytes from {first} on instead of {position}"
        return position - first

    def _pour(
        self, answer: HTTPResponse, incoming: Incoming, position: int, end: int | None, skip: int
    ) -> int:
        patience, stop = self._context.patience, self._context.stop
        since, seen = time.monotonic(), 0
        while end is None or position < end:
            if stop.is_set():
                raise Interrupted("the fetch was ended; what came is kept")
            want = _CHUNK if end is None else min(_CHUNK, end - position + skip)
            try:
                data = answer.read1(want)
            except (OSError, HTTPException) as why:
                raise _Short(position, said(why)) from why
            if not data:
                if end is None and not answer.length:
                    return position
                raise _Short(position, "the answer ended early")
            seen += len(data)
            if skip:
                dropped = min(skip, len(data))
                skip -= dropped
                data = data[dropped:]
            view = memoryview(data)
            while view:
                count = _write(incoming.fd, view, position)
                position += count
                self._came(count)
                view = view[count:]
            now = time.monotonic()
            if now - since > patience.stall_s:
                if seen < patience.slow_bytes:
                    raise _Short(position, f"only {seen} bytes came in {patience.stall_s:g} s")
                since, seen = now, 0
        return position


class _Disk(Exception):
    """Trouble with our own disk, on its way past whoever answers the connection's."""

    def __init__(self, why: OSError) -> None:
        self.why = why


def _write(fd: int, view: memoryview, position: int) -> int:
    try:
        return os.pwrite(fd, view, position)
    except OSError as why:
        raise _Disk(why) from why


class _Short(Cut):
    """It ended before it was complete; what came is in its place."""

    def __init__(self, position: int, why: str) -> None:
        self.position = position
        super().__init__(why)


def _retry_after(answer: HTTPResponse) -> float | None:
    text = answer.getheader("Retry-After") or ""
    return float(text) if text.isdigit() else None
