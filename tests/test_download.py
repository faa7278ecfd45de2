"""Releases are fetched from a local server: resumed, compared, refused."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from core.contracts.dataset import RemoteFile
from core.errors import DownloadError
from core.storage.download import fetch_release

CONTENT = {"/a.bin": bytes(range(256)) * 5000, "/b.json": b'{"b": 1}'}


class Handler(BaseHTTPRequestHandler):
    """Serves CONTENT with ranges; breaks off after ``break_at`` bytes once."""

    log: list[tuple[str, str | None]]
    break_at: list[int]

    def __init__(self, log: list[tuple[str, str | None]], break_at: list[int], *args: object) -> None:
        self.log, self.break_at = log, break_at
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        span = self.headers.get("Range")
        self.log.append((self.path, span))
        if self.path not in CONTENT:
            self.send_error(404)
            return
        start = int(span.removeprefix("bytes=").rstrip("-")) if span else 0
        body = CONTENT[self.path][start:]
        self.send_response(206 if span else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.break_at.pop()] if self.break_at else body)

    def log_message(self, *args: object) -> None:
        """Quiet."""


class Server:
    def __init__(self) -> None:
        self.log: list[tuple[str, str | None]] = []
        self.break_at: list[int] = []
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, self.log, self.break_at))
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def file(self, path: str, sha256: str = "") -> RemoteFile:
        return RemoteFile(path=f"data{path}", url=f"http://127.0.0.1:{self.http.server_port}{path}", sha256=sha256)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


def quiet(phrase: str, share: float) -> None:
    """No progress shown."""


def test_files_arrive_whole_and_are_not_fetched_twice(server: Server, tmp_path: Path) -> None:
    files = [server.file("/a.bin"), server.file("/b.json")]
    first = fetch_release(files, tmp_path, quiet)
    assert (first.fetched, first.present) == (2, 0)
    assert (tmp_path / "data/a.bin").read_bytes() == CONTENT["/a.bin"]
    second = fetch_release(files, tmp_path, quiet)
    assert (second.fetched, second.present) == (0, 2)
    assert len(server.log) == 2


def test_a_broken_connection_is_resumed_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.break_at.append(1000)
    checksum = hashlib.sha256(CONTENT["/a.bin"]).hexdigest()
    with pytest.raises(DownloadError, match="broke at 1000 of 1280000 bytes"):
        fetch_release([server.file("/a.bin", checksum)], tmp_path, quiet)
    assert not (tmp_path / "data/a.bin").exists()
    fetch_release([server.file("/a.bin", checksum)], tmp_path, quiet)
    assert server.log[-1] == ("/a.bin", "bytes=1000-")
    assert (tmp_path / "data/a.bin").read_bytes() == CONTENT["/a.bin"]


def test_a_wrong_checksum_is_refused_and_leaves_nothing(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="does not match its checksum"):
        fetch_release([server.file("/b.json", "0" * 64)], tmp_path, quiet)
    assert not list((tmp_path / "data").iterdir())


def test_a_file_changed_after_the_first_download_is_fetched_again(server: Server, tmp_path: Path) -> None:
    fetch_release([server.file("/b.json")], tmp_path, quiet)
    (tmp_path / "data/b.json").write_bytes(b"changed")
    assert fetch_release([server.file("/b.json")], tmp_path, quiet).fetched == 1
    assert (tmp_path / "data/b.json").read_bytes() == CONTENT["/b.json"]


def test_a_missing_file_and_a_closed_network_say_what_to_do(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="answered 404"):
        fetch_release([server.file("/none")], tmp_path, quiet)
    closed = RemoteFile("data/x", "http://127.0.0.1:9/x")
    with pytest.raises(DownloadError, match="could not be fetched") as caught:
        fetch_release([closed], tmp_path, quiet)
    assert "goes on where it stopped" in caught.value.do


def test_f105_a_path_that_leaves_the_folder_is_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="outside"):
        fetch_release([RemoteFile("../evil", server.file("/b.json").url)], tmp_path / "in", quiet)
    assert not (tmp_path / "evil").exists()
