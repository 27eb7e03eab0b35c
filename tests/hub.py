"""A local model hub: enough of huggingface.co's API to list and fetch a model."""

import hashlib
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@contextmanager
def silent_hub() -> Iterator[str]:
    """Accept connections and never answer."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(16)
        kept: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    kept.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        for connection in kept:
            connection.close()


@contextmanager
def serving_hub(model: str, folder: Path, cut: str = "") -> Iterator[tuple[str, list[str]]]:
    """Serve `folder` as the model `model`; yields the URL and the names of the fetched files.

    The file named `cut` is always truncated.
    """
    fetched: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(head=True)

        def do_GET(self) -> None:
            self._answer(head=False)

        def _answer(self, head: bool) -> None:
            path = self.path.partition("?")[0]
            if path == "/":
                self._send(200, {}, b"", head)
            elif path.startswith(f"/api/models/{model}"):
                names = sorted(p.name for p in folder.iterdir())
                rest = path.removeprefix(f"/api/models/{model}").strip("/")
                if rest.startswith("tree/"):
                    value: object = [
                        {"type": "file", "path": n, "size": (folder / n).stat().st_size, "oid": "0"}
                        for n in names
                    ]
                else:
                    value = {
                        "id": model, "modelId": model, "sha": COMMIT, "private": False,
                        "gated": False, "disabled": False, "downloads": 0, "likes": 0, "tags": [],
                        "siblings": [{"rfilename": n} for n in names],
                    }  # fmt: skip
                self._send(
                    200, {"Content-Type": "application/json"}, json.dumps(value).encode(), head
                )
            elif path.startswith(f"/{model}/resolve/"):
                name = path.rpartition("/")[2]
                if not (folder / name).is_file():
                    self._send(404, {"X-Error-Code": "EntryNotFound"}, b"", head)
                    return
                body = (folder / name).read_bytes()
                if not head:
                    fetched.append(name)
                etag = hashlib.sha256(body).hexdigest()
                headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}
                self._send(200, headers, body, head, name == cut)
            else:
                self._send(404, {"X-Error-Code": "RepoNotFound"}, b"", head)

        def _send(
            self, status: int, headers: dict[str, str], body: bytes, head: bool, cut: bool = False
        ) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if not head:
                self.wfile.write(body[: len(body) // 2] if cut else body)
            if cut:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", fetched
    finally:
        server.shutdown()
        server.server_close()
