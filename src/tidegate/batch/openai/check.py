"""What a batch's input file has to be like before any of it is sent."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from tidegate.batch.openai.records import MOST_REQUESTS, BatchError

_MOST_ERRORS: Final = 100


def problems(path: Path, endpoint: str, models: Collection[str]) -> tuple[int, list[BatchError]]:
    """How many requests there are, and what is wrong (the first hundred things)."""
    seen: set[str] = set()
    found: list[BatchError] = []
    total = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            total += 1
            if len(found) < _MOST_ERRORS:
                found += _of_line(line, number, endpoint, models, seen)
    if not total:
        found.append(BatchError(code="empty_file", message="The input file has no requests."))
    if total > MOST_REQUESTS:
        said = f"The input file has {total} requests; {MOST_REQUESTS} is the most of one batch."
        found.insert(0, BatchError(code="too_many_tasks", message=said))
    return total, found[:_MOST_ERRORS]


def _of_line(
    line: bytes, number: int, endpoint: str, models: Collection[str], seen: set[str]
) -> Iterator[BatchError]:
    try:
        value: Any = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as why:
        yield BatchError(
            code="invalid_json_line", message=f"The line is no JSON: {why}.", line=number
        )
        return
    if not isinstance(value, Mapping):
        yield BatchError(
            code="invalid_json_line", message="The line is no JSON object.", line=number
        )
        return
    custom_id = value.get("custom_id")
    if not isinstance(custom_id, str) or not custom_id:
        yield _missing("custom_id", number)
    elif custom_id in seen:
        yield BatchError(
            code="duplicate_custom_id",
            message=f"The custom_id {custom_id[:80]!r} is there twice.",
            param="custom_id",
            line=number,
        )
    else:
        seen.add(custom_id)
    if value.get("method") != "POST":
        yield BatchError(
            code="invalid_method", message="The method must be POST.", param="method", line=number
        )
    if value.get("url") != endpoint:
        yield BatchError(
            code="mismatched_url",
            message=f"The url must be the batch's endpoint, {endpoint}.",
            param="url",
            line=number,
        )
    yield from _of_body(value.get("body"), number, models)


def _of_body(body: Any, number: int, models: Collection[str]) -> Iterator[BatchError]:
    if not isinstance(body, Mapping):
        yield _missing("body", number)
        return
    model = body.get("model")
    if not isinstance(model, str):
        yield _missing("body.model", number)
    elif model not in models:
        yield BatchError(
            code="model_not_found",
            message=f"No service here serves the model {model[:80]!r}.",
            param="body.model",
            line=number,
        )
    if body.get("stream"):
        yield BatchError(
            code="invalid_request",
            message="A request of a batch can't stream.",
            param="body.stream",
            line=number,
        )


def _missing(param: str, number: int) -> BatchError:
    return BatchError(
        code="missing_required_parameter",
        message=f"The required parameter {param} is missing.",
        param=param,
        line=number,
    )
