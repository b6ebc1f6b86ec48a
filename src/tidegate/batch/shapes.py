"""How rows become requests, and what of an answer is kept. Pure.

| protocol | a row is | request |
| --- | --- | --- |
| openai | a line of OpenAI's Batch API: `custom_id`, `url`, `body` | its body to its url |
| v1 | an instance, or a whole body with `instances` | `{"instances": [...]}`, several rows in one |
| v2 | a whole body with `inputs`, or (`columns`) numbers | Open Inference Protocol |
| chat | `messages`, or (`columns`) what the user says | OpenAI chat completion |
| raw | anything | the row as JSON |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from tidegate.batch.errors import BadPlan
from tidegate.batch.template import BadRow, Template, columns_of, pick

Protocol = Literal["auto", "openai", "v1", "v2", "chat", "raw"]
_MOST_SHOWN: Final = 2000  # characters of an answer in a failure
encode = msgspec.json.Encoder(decimal_format="number").encode
_decode = msgspec.json.Decoder().decode


class BadAnswer(Exception):
    """The answer isn't what the protocol promises; the sentence says how."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call. `path` begins with a slash."""

    path: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a row has no output. `status` None: there was no answer."""

    reason: str
    status: int | None = None
    answer: bytes = b""
    code: str = "failed"  # one word for machines


@dataclass(frozen=True, slots=True)
class Shape:
    """The rules of one run. `path` None: the protocol's usual one; `model` is the name in it (empty: not
    known).

    `columns` are the row's columns that go into the request (empty: all of it), `template` writes it
    instead; `keep` is the path to what is kept of each answer (empty: all); `id_column` is copied.
    """

    protocol: Protocol
    model: str
    path: str | None = None
    columns: tuple[str, ...] = ()
    template: Template | None = None
    keep: tuple[str, ...] = ()
    id_column: str | None = None
    with_input: bool = False
    run_id: str = "run"

    def request(self, values: Sequence[Any]) -> Request:
        """One call for these rows (several: V1 only, and V2 with columns). Raises `BadRow`."""
        match self.protocol:
            case "openai":
                return self._openai(values[0])
            case "v1":
                return Request(
                    self.path or f"/v1/models/{self.model}:predict", encode(self._v1(values))
                )
            case "v2":
                return Request(
                    self.path or f"/v2/models/{self.model}/infer", encode(self._v2(values))
                )
            case "chat":
                return Request(self.path or "/v1/chat/completions", encode(self._chat(values[0])))
            case _:
                return Request(self.path or "/", encode(self._part(values[0])))

    def kept(self, count: int, body: bytes, status: int, request_id: str) -> list[Any]:
        """What is kept of an answer for each of `count` rows. Raises `BadAnswer`."""
        if self.protocol == "openai":
            return [{"status_code": status, "request_id": request_id, "body": as_value(body)}]
        whole = as_value(body)
        if self.protocol == "v1":
            parts = _predictions(whole, count)
        elif self.protocol == "v2" and self.columns:
            parts = _outputs(whole, count)
        else:
            parts = [whole]
        try:
            return [pick(part, self.keep) for part in parts]
        except BadRow as why:
            raise BadAnswer(f"the answer has no {'.'.join(self.keep)}: {why}") from why

    def line(self, number: int, value: Any, kept: Any) -> bytes:
        """The output's line for a row."""
        if self.protocol == "openai":
            return _ended(self._openai_line(number, value, response=kept, error=None))
        out: dict[str, Any] = {"row": number, **self._about(value)}
        if self.with_input:
            out["input"] = value
        return _ended(out | {"output": kept})

    def failed_line(self, number: int, value: Any, failure: Failure) -> bytes:
        """The side file's line for a row."""
        if self.protocol == "openai":
            # OpenAI's `error` is for what has no answer; one that says why stands in `response`.
            response, error = None, None
            if failure.status is None:
                error = {"code": failure.code, "message": failure.reason}
            else:
                body = as_value(failure.answer)
                response = {"status_code": failure.status, "request_id": "", "body": body}
            return _ended(self._openai_line(number, value, response=response, error=error))
        out: dict[str, Any] = {"row": number, **self._about(value), "reason": failure.reason}
        if failure.status is not None:
            out |= {"status": failure.status}
        if failure.answer:
            out["answer"] = failure.answer[:_MOST_SHOWN].decode("utf-8", "replace")
        return _ended(out | {"input": value})

    def _about(self, value: Any) -> dict[str, Any]:
        if self.id_column is None or not isinstance(value, Mapping):
            return {}
        return {"id": value.get(self.id_column)}

    def _openai_line(
        self, number: int, value: Any, *, response: Any, error: Mapping[str, str] | None
    ) -> dict[str, Any]:
        custom_id = value.get("custom_id") if isinstance(value, Mapping) else None
        return {
            "id": f"batch_req_{self.run_id}_{number}",
            "custom_id": custom_id,
            "response": response,
            "error": error,
        }

    def _openai(self, value: Any) -> Request:
        if not isinstance(value, Mapping) or not isinstance(value.get("body"), Mapping):
            raise BadRow("the row is no object with `custom_id`, `url` and `body`")
        url = value.get("url")
        if not isinstance(url, str) or not url.startswith("/"):
            raise BadRow("its `url` is no path such as /v1/chat/completions")
        if value.get("method", "POST") != "POST":
            raise BadRow(f"its `method` is {value['method']!r}: only POST is served")
        return Request((self.path or "") + url, encode(value["body"]))

    def _v1(self, values: Sequence[Any]) -> Any:
        whole = values[0]
        as_it_is = len(values) == 1 and not (self.template or self.columns)
        if as_it_is and isinstance(whole, Mapping) and "instances" in whole:
            return whole
        return {"instances": [self._instance(value) for value in values]}

    def _instance(self, value: Any) -> Any:
        if self.template is not None:
            return self.template.render(value)
        if not self.columns:
            return value
        found = columns_of(value, self.columns)
        return found[0] if len(found) == 1 else found

    def _v2(self, values: Sequence[Any]) -> Any:
        if self.template is not None:
            return self.template.render(values[0])
        if not self.columns:
            if not isinstance(values[0], Mapping) or "inputs" not in values[0]:
                raise BadRow("the row has no `inputs`: name the columns of numbers, or a template")
            return values[0]
        numbers = [self._numbers(value) for value in values]
        shape = [len(numbers), len(numbers[0])]
        if any(len(row) != shape[1] for row in numbers):
            raise BadRow("rows of one request have different numbers of values")
        data = [each for row in numbers for each in row]
        return {"inputs": [{"name": "input-0", "shape": shape, "datatype": "FP64", "data": data}]}

    def _numbers(self, value: Any) -> list[float]:
        found = columns_of(value, self.columns)
        if len(found) == 1 and isinstance(found[0], list):
            found = found[0]
        if not all(isinstance(each, int | float) for each in found):
            raise BadRow("a column that goes into a tensor is no number")
        return found

    def _chat(self, value: Any) -> Any:
        if self.template is not None:
            body = self.template.render(value)
        elif self.columns:
            said = "\n".join(str(each) for each in columns_of(value, self.columns))
            body = {"messages": [{"role": "user", "content": said}]}
        else:
            body = value
        if not isinstance(body, Mapping) or "messages" not in body:
            raise BadRow("the row has no `messages`: name the column that the user says")
        return {"model": self.model, **body} if self.model else body

    def _part(self, value: Any) -> Any:
        if self.template is not None:
            return self.template.render(value)
        if self.columns:
            return dict(zip(self.columns, columns_of(value, self.columns), strict=True))
        return value


def detect(value: Any) -> Protocol:
    """The protocol that a row looks like."""
    if isinstance(value, Mapping):
        if "body" in value and "url" in value:
            return "openai"
        for name, protocol in _TELLING.items():
            if isinstance(value.get(name), list):
                return protocol
    return "raw"


_TELLING: Final[Mapping[str, Protocol]] = {"instances": "v1", "inputs": "v2", "messages": "chat"}


def check_shape(shape: Shape, rows: int) -> None:
    """Whether so many rows fit into one request, and where that goes is known. Raises `BadPlan`."""
    if not shape.model and shape.path is None and shape.protocol in ("v1", "v2"):
        raise BadPlan(
            f"a URL doesn't say which model's path {shape.protocol} rows go to: add --model NAME, or the"
            " path to the URL"
        )
    fits = shape.protocol == "v1" or (shape.protocol == "v2" and shape.columns)
    if rows > 1 and not fits:
        raise BadPlan(
            f"--batch-size {rows}: only V1 requests (and V2 with --column) carry several rows, and"
            f" this run speaks {shape.protocol}: leave it out, or add --protocol v1"
        )


def as_value(body: bytes) -> Any:
    """An answer as JSON, or as text where it is none."""
    try:
        return _decode(body) if body else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body.decode("utf-8", "replace")


def _predictions(whole: Any, count: int) -> list[Any]:
    found = whole.get("predictions") if isinstance(whole, Mapping) else None
    if count == 1 and found is not None and not (isinstance(found, list) and len(found) == 1):
        return [found]
    if not isinstance(found, list) or len(found) != count:
        what = "no predictions" if not isinstance(found, list) else f"{len(found)} predictions"
        raise BadAnswer(f"{what} for {count} instance{'s' * (count != 1)}")
    return found


def _outputs(whole: Any, count: int) -> list[Any]:
    outputs = whole.get("outputs") if isinstance(whole, Mapping) else None
    first = outputs[0] if isinstance(outputs, list) and outputs else None
    data = first.get("data") if isinstance(first, Mapping) else None
    if not isinstance(data, list) or not data or len(data) % count:
        raise BadAnswer(f"no output whose data can be shared among {count} rows")
    each = len(data) // count
    if each == 1:
        return data
    return [data[at : at + each] for at in range(0, len(data), each)]


def _ended(value: Mapping[str, Any]) -> bytes:
    return encode(value) + b"\n"
