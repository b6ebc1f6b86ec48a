"""Answers `/predict?query=...` with the intent of a sentence, as plain text in a page of its own.

GET takes the query from the URL; POST from a JSON body {"query": ...}, from a form, or as plain
text. Listens on $PORT; stops on SIGTERM when what is in flight is answered. $THINK_S makes every answer
take so many seconds longer, as a bigger model's would.
"""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import joblib

MODEL = Path(os.environ.get("MODEL", Path(__file__).parent / "build" / "intent.joblib"))
MOST_BYTES = 64 * 1024
THINK_S = float(os.environ.get("THINK_S", "0"))
HTML = "text/html; charset=utf-8"


class Server(ThreadingHTTPServer):
    """Remembers the model. Threads that answer are waited for at the end."""

    daemon_threads = False
    block_on_close = True

    def __init__(self, port: int) -> None:
        self.model = joblib.load(MODEL)
        super().__init__(("127.0.0.1" if "TERMINATION_LOG" in os.environ else "", port), Handler)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/healthz":
            return self.answer(200, "ok")
        if url.path != "/predict":
            return self.answer(404, "ask /predict?query=SENTENCE\n")
        return self.predict(parse_qs(url.query).get("query", [""])[0])

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > MOST_BYTES:
            self.close_connection = True
            return self.answer(413, "a sentence is enough\n")
        body = self.rfile.read(length).decode(errors="replace")
        if urlsplit(self.path).path != "/predict":
            return self.answer(404, "ask /predict\n")
        return self.predict(self.query_in(body))

    def query_in(self, body: str) -> str:
        kind = self.headers.get("Content-Type", "").partition(";")[0].strip()
        if kind == "application/x-www-form-urlencoded" and "query=" in body:
            return parse_qs(body).get("query", [""])[0]
        if kind == "application/json":
            try:
                found = json.loads(body)
            except ValueError:
                return ""
            return str(found.get("query", "")) if isinstance(found, dict) else str(found)
        return body

    def predict(self, query: str) -> None:
        if not query.strip():
            return self.answer(
                400, 'no sentence: ask /predict?query=..., or POST {"query": "..."}\n'
            )
        time.sleep(THINK_S)
        return self.answer(200, str(self.server.model.predict([query])[0]))

    def answer(self, code: int, text: str) -> None:
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", HTML)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        print(self.address_string(), format % args, flush=True)


def main() -> None:
    server = Server(int(os.environ.get("PORT", "80")))
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    print(f"listening on {server.server_address}", flush=True)
    server.serve_forever()
    server.server_close()


if __name__ == "__main__":
    main()
