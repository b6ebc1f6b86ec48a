"""What runs in test pods: a small HTTP server with a graceful stop. Standard library only.

    python pod_server.py PORT        GET /            -> the process' pid
                                     GET /sleep/SECS  -> the pid, later
                                     GET /env/NAME    -> a variable of the environment
On SIGTERM it stops accepting, finishes what is in flight, and ends. START_S delays the listening.
With FAIL_EVERY=n every nth GET is answered with 500.
"""

import itertools
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAIL_EVERY = int(os.environ.get("FAIL_EVERY", "0"))
COUNT = itertools.count(1)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes; 40 ms each otherwise

    def do_GET(self) -> None:
        parts = self.path.strip("/").split("/")
        text = str(os.getpid())
        if parts[0] == "sleep":
            time.sleep(float(parts[1]))
        elif parts[0] == "env":
            text = os.environ.get(parts[1], "")
        body = text.encode()
        self.send_response(500 if FAIL_EVERY and next(COUNT) % FAIL_EVERY == 0 else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 256


def main() -> None:
    time.sleep(float(os.environ.get("START_S", "0")))
    server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
    signal.signal(
        signal.SIGTERM,
        lambda *_: threading.Thread(target=server.shutdown, daemon=True).start(),
    )
    server.serve_forever(poll_interval=0.05)
    server.socket.close()
    os._exit(0)  # kept connections would hold their threads for ever


if __name__ == "__main__":
    main()
