"""Objects at s3://, on a server on loopback."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from findcli.errors import FindCLIError
from findcli.workspace import objects

pytest.importorskip("obstore")


def test_an_object_is_written_read_and_told_by_its_bytes(bucket: str, tmp_path: Path) -> None:
    file, back = tmp_path / "a.bin", tmp_path / "b.bin"
    file.write_bytes(bytes(range(256)) * 80_000)  # more than a chunk, and than one part of an upload
    objects.upload(file, f"{bucket}/a/b.bin")
    objects.download(f"{bucket}/a/b.bin", back)
    assert back.read_bytes() == file.read_bytes()
    assert [(each.key, each.size) for each in objects.below(f"{bucket}/a")] == [("a/b.bin", file.stat().st_size)]
    assert objects.below(f"{bucket}/a/b.bin") == objects.below(bucket)


def test_a_path_of_pathlib_is_still_a_url() -> None:
    assert objects.url_of(Path("s3://shop/a/b.csv")) == objects.url_of("s3://shop/a/b.csv") == "s3://shop/a/b.csv"
    assert objects.url_of(Path("s3/shop.csv")) is None
    assert objects.url_of(Path("/tmp/s3:/shop.csv")) is None
    assert objects.shown(Path("s3://shop/a.csv")) == "s3://shop/a.csv"
    assert objects.shown(Path("a.csv")) == str(Path.cwd() / "a.csv")


@pytest.mark.parametrize("url", ["s3://", "s3://shop", "s3://shop/", "s3://shop/folder/"])
def test_a_url_that_names_no_object_is_refused(url: str) -> None:
    with pytest.raises(FindCLIError, match="names no object"):
        objects.require_reachable(url)


def test_without_credentials_the_variables_are_named(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setattr(objects, "RETRIES", 0)
    with pytest.raises(FindCLIError, match="there are no credentials") as error:
        objects.below(bucket)
    assert "AWS_ACCESS_KEY_ID" in error.value.hint


def test_what_the_store_says_comes_in_one_line(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(FindCLIError, match="s3://nowhere/a cannot be written: The specified bucket") as error:
        objects.upload(tmp_path / "a", f"{bucket.replace('shop', 'nowhere')}/a")
    assert "\n" not in error.value.message
    with pytest.raises(FindCLIError, match="cannot be read"):
        objects.download(f"{bucket}/none", tmp_path / "b")


def test_who_may_not_look_may_write(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(403)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "x")
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        objects.require_reachable("s3://shop/a.csv")
        server.shutdown()
