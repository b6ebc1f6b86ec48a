"""The ASGI application of a model behind TensorFlow Serving's REST API."""

from __future__ import annotations

import logging
from typing import Any

from tidegate.protocols import v1
from tidegate.protocols.errors import InferenceFailed, ProtocolError
from tidegate.protocols.tfserving import (
    NoServable,
    TfAsk,
    TfCall,
    read_tf_call,
    read_tf_predict,
    render_metadata,
    render_status,
    render_tf_predictions,
)
from tidegate.runtimes.shell import ClientGone, Receive, Send, Shell

_log = logging.getLogger("tidegate.runtimes")


class TensorFlowShell(Shell):
    """One version of one model. Owned by the event loop's thread."""

    def __init__(self, version: str, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._version = version

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """ASGI's entry. The outer handler of every request: reports what nobody foresaw."""
        try:
            call = read_tf_call(scope["method"], scope["path"])
            if call.model != self._served.name or call.version not in (None, self._version):
                raise NoServable(call)
            await self._send(send, 200, await self._tf_answer(call, receive))
        except ProtocolError as error:
            await self._send(send, error.code, v1.render_error(error))
        except ClientGone:
            return
        except Exception as why:  # noqa: BLE001 - the outer handler: report, answer, live on
            _log.exception("%s %s failed", scope["method"], scope["path"])
            failed = InferenceFailed(f"{type(why).__name__}: {why}")
            await self._send(send, failed.code, v1.render_error(failed))

    async def _tf_answer(self, call: TfCall, receive: Receive) -> bytes:
        about = self._backend.about
        if call.ask is TfAsk.STATUS:
            return render_status(self._version, ready=not self._drain.draining)
        if call.ask is TfAsk.METADATA:
            return render_metadata(call.model, self._version, about.inputs, about.outputs)
        backend: Any = self._backend
        with self._drain.entered():
            body = await self._read_body(receive)
            asked = read_tf_predict(body)
            rows = self._unnamed(asked.instances)
            predictions = await self._workers.predict(
                lambda: backend.predict(rows), body_bytes=len(body)
            )
            return render_tf_predictions(asked, predictions)

    def _unnamed(self, instances: list[Any]) -> list[Any]:
        """`{"x": row}` is the row, where `x` is the only input: TF Serving takes both."""
        inputs = self._backend.about.inputs
        if len(inputs) != 1:
            return instances
        name = inputs[0].name
        named = all(isinstance(each, dict) and list(each) == [name] for each in instances)
        return [each[name] for each in instances] if named else instances
