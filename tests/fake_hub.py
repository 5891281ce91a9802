"""A hub on this machine, with one data set in the layout of google-research-datasets/paws-x, that can misbehave."""

import hashlib
import http.server
import io
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

import pandas as pd

NAME = "google-research-datasets/paws-x"
COMMIT = "a" * 40
ROWS = 40
JSON = {"Content-Type": "application/json"}


def repository() -> dict[str, bytes]:
    """The files of the data set by name."""
    files, configurations = {}, []
    for language in ("en", "de"):
        configurations.append(f"- config_name: {language}\n  data_files:\n")
        for split in ("train", "validation", "test"):
            sentences = [
                [f"{language} {split} {place} {number}" for number in range(ROWS)] for place in ("one", "two")
            ]
            labels = [number % 2 for number in range(ROWS)]
            table = {"id": range(ROWS), "sentence1": sentences[0], "sentence2": sentences[1], "label": labels}
            files[f"{language}/{split}-00000-of-00001.parquet"] = _parquet(pd.DataFrame(table))
            configurations.append(f"  - split: {split}\n    path: {language}/{split}-*\n")
    return files | {"README.md": f"---\nconfigs:\n{''.join(configurations)}---\n".encode()}


def _parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    return buffer.getvalue()


class Hub(http.server.BaseHTTPRequestHandler):
    """Answers what the library ``datasets`` asks; ``manner`` says how well."""

    files = repository()
    manner: str
    methods: list[str]

    def do_GET(self) -> None:
        self.methods.append(self.command)
        if self.manner == "slow":
            time.sleep(30)
        if self.manner == "error":
            self._send(500, b"")
        elif self.manner == "garbage":
            self._send(200, bytes(range(256)) * 4, JSON)
        else:
            self._answer(unquote(urlsplit(self.path).path), recursive="recursive=true" in self.path.lower())

    do_HEAD = do_POST = do_PUT = do_GET

    def _answer(self, path: str, recursive: bool) -> None:
        if re.fullmatch(rf"/api/datasets/{NAME}(/revision/[^/]+)?", path):
            about = {
                "id": NAME,
                "sha": COMMIT,
                "private": False,
                "gated": False,
                "disabled": False,
                "downloads": 0,
                "likes": 0,
                "tags": [],
            }
            self._send_json(about | {"siblings": [{"rfilename": file} for file in self.files]})
        elif match := re.fullmatch(rf"/api/datasets/{NAME}/tree/[^/]+(/.*)?", path):
            self._send_json(self._listed((match[1] or "").strip("/"), recursive))
        elif (match := re.fullmatch(rf"/datasets/{NAME}/resolve/[^/]+/(.+)", path)) and match[
            1
        ] in self.files:
            content = self.files[match[1]]
            tag = {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": COMMIT}
            self._send(200, content, tag, cut=self.manner == "cut" and match[1].endswith(".parquet"))
        else:
            self._send(404, b"{}", {"X-Error-Code": "EntryNotFound"})

    def _listed(self, folder: str, recursive: bool) -> list[dict]:
        inside = [file for file in self.files if not folder or file.startswith(f"{folder}/")]
        files = [file for file in inside if recursive or "/" not in file.removeprefix(folder).strip("/")]
        entries = [
            {"type": "file", "path": file, "size": len(self.files[file]), "oid": "c" * 40} for file in files
        ]
        folders = (
            [] if folder or recursive else sorted({file.split("/")[0] for file in inside if "/" in file})
        )
        return entries + [{"type": "directory", "path": name, "oid": "b" * 40} for name in folders]

    def _send_json(self, value: object) -> None:
        self._send(200, json.dumps(value).encode(), JSON)

    def _send(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def running(manner: str = "good") -> Iterator[tuple[str, type[Hub]]]:
    """The address of a hub, and the hub."""
    hub = type("OneHub", (Hub,), {"manner": manner, "methods": []})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), hub) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", hub
        server.shutdown()
