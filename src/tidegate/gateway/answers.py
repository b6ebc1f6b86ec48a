"""The answers that the gateway itself gives: always why, always who said it, and the way out."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

import msgspec

PART: Final = "gateway"
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer made here. `retry_after_s`: when it is worth trying again; None says nothing about it."""

    status: int
    reason: str  # one word for machines, in the body and in the `tidegate-error` header
    message: str  # one sentence for people, with the way out
    retry_after_s: int | None = None
    location: str | None = None  # where to go instead

    def body(self) -> bytes:
        """The answer's body: who says it, why, and the way out."""
        error = {
            "code": self.status,
            "part": PART,
            "reason": self.reason,
            "message": self.message,
        }
        return msgspec.json.encode({"error": error})

    def lines(self) -> list[bytes]:
        """The answer's header lines."""
        lines = [
            "content-type: application/json",
            f"content-length: {len(self.body())}",
            f"tidegate-error: {PART}; {self.reason}",
        ]
        if self.retry_after_s is not None:
            lines.append(f"retry-after: {self.retry_after_s}")
        if self.location is not None:
            lines.append(f"location: {self.location}")
        return [line.encode("latin-1") for line in lines]

    def wire(self, *, close: bool, head_only: bool = False, notes: bytes = b"") -> bytes:
        """The answer's bytes in HTTP/1. `close`: the connection ends with it; `head_only`: it answers
        HEAD; `notes`: further header lines, each with its end."""
        phrase = HTTPStatus(self.status).phrase
        lines = [f"HTTP/1.1 {self.status} {phrase}".encode(), *self.lines()]
        if close:
            lines.append(b"connection: close")
        head = b"\r\n".join((*lines, notes + b"\r\n"))
        return head if head_only else head + self.body()


def unknown_host(host: str, path: str) -> Refusal:
    """404: no route has this host, and the path means nothing here either."""
    return Refusal(
        404,
        "no-route",
        f"no route has the host {host!r} (path {path!r}): send a Host header that is the host of a"
        " service's URL (`kubectl get ksvc -A` shows them), or, on this machine, ask for"
        " /<namespace>/<name>/...",
    )


def no_branch(route: str, path: str) -> Refusal:
    """404: the route is known, and none of its branches is for such a request."""
    return Refusal(
        404,
        "no-branch",
        f"route {route} has no match for path {path!r} with this method and these headers",
    )


def unknown_model(name: str, known: list[str]) -> Refusal:
    """404: no service serves this model."""
    some = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    return Refusal(
        404,
        "no-model",
        f"no service here serves the model {name[:200]!r}: "
        + (f"there are {some}" if known else "there is none at all; apply one first"),
    )


def model_unsaid(why: str) -> Refusal:
    """400: a request to the OpenAI API of all models that doesn't say which."""
    return Refusal(
        400,
        "no-model-field",
        f"the request doesn't say which model it is for, {why}: put the name of a service into the field"
        " `model` of the body, or send it to the service's own host (`GET /openai/v1/models` lists them)",
    )


def model_unseen(most_bytes: int) -> Refusal:
    """413: the body is too large to be held until its model is known."""
    return Refusal(
        413,
        "body-too-large",
        f"bodies of up to {most_bytes} bytes are held until their field `model` is seen, and only so many"
        " at once: send this one to the service's own host",
    )


def to_https(location: str) -> Refusal:
    """308: the route wants HTTPS. As ingress-nginx answers, so that a POST stays one."""
    return Refusal(
        308, "https-only", "this is served by HTTPS: see the Location header", location=location
    )


def no_table(waited_s: float) -> Refusal:
    """503: no control plane has ever said what there is to serve."""
    return Refusal(
        503,
        "no-table",
        f"no control plane has said yet what to serve (waited {waited_s:g} s): see `tidegate status`",
        retry_after_s=5,
    )


def not_ready(host: str, why: str) -> Refusal:
    """503: the host is known, and nothing serves it yet. `host` empty: any."""
    return Refusal(
        503,
        "not-ready",
        f"nothing that is ready serves {host or 'this path'} yet: {why.rstrip('. ')}."
        " See `tidegate describe` and `tidegate logs`, or send the request again in a moment",
        retry_after_s=1,
    )


def no_revision(route: str, revision: str) -> Refusal:
    """503: the route is known and what it points at is not."""
    return Refusal(
        503,
        "no-revision",
        f"route {route} sends to revision {revision}, which is not here: it was removed, or is not yet made",
        retry_after_s=1,
    )


def revision_gone(revision: str) -> Refusal:
    """503: the revision was removed while the request waited for it."""
    return Refusal(
        503,
        "revision-gone",
        f"revision {revision} was removed while the request waited: send it again for the current one",
        retry_after_s=1,
    )


def queue_full(revision: str, places: int) -> Refusal:
    """503: too many wait."""
    return Refusal(
        503,
        "queue-full",
        f"pending request queue full: {places} requests wait for revision {revision} already; come back"
        " later, or let it have more replicas",
        retry_after_s=1,
    )


def queue_bytes_full(revision: str, places_bytes: int) -> Refusal:
    """503: the bodies of those who wait take all the memory they may."""
    return Refusal(
        503,
        "queue-bytes-full",
        f"the bodies of requests that wait for revision {revision} take all of {places_bytes} bytes:"
        " come back later, or let it have more replicas",
        retry_after_s=1,
    )


def yielded(revision: str) -> Refusal:
    """503: a batch request whose place an ordinary one wanted."""
    return Refusal(
        503,
        "yielded",
        f"this batch request gave its place at revision {revision} to requests that go first: send it"
        " again, it waits until there is room",
        retry_after_s=0,
    )


def too_late(revision: str, after_s: float, *, waited: bool, trouble: str | None) -> Refusal:
    """504: the whole exchange took longer than the revision allows. `trouble`: why it has no replica.
    The first words are Knative's, which differ by who ends it: its activator, or its queue-proxy."""
    words = "activator request timeout" if waited else "request timeout"
    where = "still waiting for a replica" if waited else "while a replica worked on it"
    because = f", which can't start: {trouble}" if waited and trouble else ""
    return Refusal(
        504,
        "timeout",
        f"{words}: revision {revision} had not answered after {after_s:g} s, {where}{because}",
    )


def no_replica(revision: str, after_s: float, trouble: str | None) -> Refusal:
    """503: there is no replica, and it doesn't wait for one (any longer). `trouble`: why there is none."""
    waited = f" within {after_s:g} s" if after_s else ""
    because = f": {trouble}" if trouble else ""
    return Refusal(503, "no-replica", f"no replica of {revision} is ready{waited}{because}")


def slow_start(revision: str, after_s: float) -> Refusal:
    """504: not a byte of the answer within the revision's responseStartTimeoutSeconds."""
    return Refusal(
        504,
        "response-start-timeout",
        f"request timeout: revision {revision} sent no byte of an answer within {after_s:g} s",
    )


def idle(revision: str, after_s: float) -> Refusal:
    """504: nothing was written for the revision's idleTimeoutSeconds."""
    return Refusal(
        504,
        "idle-timeout",
        f"request timeout: nothing came from revision {revision} for {after_s:g} s",
    )


def replica_closed(revision: str, endpoint: str) -> Refusal:
    """502: the replica closed the connection and it isn't known whether it did the work."""
    return Refusal(
        502,
        "replica-closed",
        f"replica {endpoint} of revision {revision} closed the connection without an answer; the request"
        " was not sent again because it may have been worked on (annotate the service"
        ' tidegate.dev/idempotent: "true" if repeating is safe)',
    )


def replica_reset(revision: str, endpoint: str, code: str) -> Refusal:
    """502: the replica ended the request's HTTP/2 stream without an answer, or in the middle of it."""
    return Refusal(
        502,
        "replica-reset",
        f"replica {endpoint} of revision {revision} reset the request's HTTP/2 stream ({code})",
    )


def replica_cut(revision: str, endpoint: str) -> Refusal:
    """502: the replica closed the connection in the middle of its answer."""
    return Refusal(
        502,
        "replica-closed",
        f"replica {endpoint} of revision {revision} closed the connection in the middle of its answer",
    )


def no_h2c(revision: str) -> Refusal:
    """503: a gRPC call to a revision that speaks HTTP/1."""
    return Refusal(
        503,
        "not-h2c",
        f"gRPC needs HTTP/2 up to the replica, and revision {revision} has no port named h2c: name its"
        " container port `h2c`",
    )


def bad_answer(revision: str, endpoint: str, why: str) -> Refusal:
    """502: the replica's answer isn't HTTP/1."""
    return Refusal(
        502, "bad-answer", f"replica {endpoint} of revision {revision} answered wrongly: {why}"
    )


HEAD_TOO_LARGE: Final = Refusal(
    431,
    "head-too-large",
    "the request line and headers take more than 64 KiB: send fewer or shorter headers",
)
BAD_CHUNK: Final = Refusal(
    400, "bad-chunk", "the request's body is not chunked as Transfer-Encoding says"
)
MODELS_ARE_READ: Final = Refusal(
    405,
    "models-are-read",
    "models come and go with the services that serve them: this is a list to GET",
)
NO_BATCHES: Final = Refusal(
    503,
    "no-batches",
    "no control plane has said yet who keeps files and batches here: see `tidegate status`",
    retry_after_s=1,
)
SHUTTING_DOWN: Final = Refusal(
    503, "shutting-down", "this gateway is ending: send the request again", retry_after_s=1
)


def body_too_slow(after_s: float) -> Refusal:
    """408: the request's body did not come in time."""
    return Refusal(408, "body-timeout", f"the request's body was not complete within {after_s:g} s")


def head_too_slow(after_s: float) -> Refusal:
    """408: the request's head did not come in time."""
    return Refusal(
        408, "head-timeout", f"the request's headers were not complete within {after_s:g} s"
    )
