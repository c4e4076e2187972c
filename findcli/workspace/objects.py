"""Objects at s3://: listed, copied here and written whole; credentials come from the usual environment variables.

AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION say who asks and where; AWS_ENDPOINT_URL
names a store other than Amazon's.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from findcli.errors import FindCLIError, first_line

SCHEME = "s3://"
CHUNK = 8 << 20
RETRIES = 3
NO_LIBRARY = 'install what reads and writes s3:// with: pip install "findcli[s3]"'
SET_KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_REGION where it is needed, and AWS_ENDPOINT_URL"
IDENTITY = "169.254.169.254"  # where a machine of Amazon's is asked for credentials once no variable has some


@dataclass(frozen=True)
class Object:
    """One object: its key in the bucket, its size in bytes, and the tag that changes with its content."""

    key: str
    size: int
    tag: str


def url_of(path: PurePath | str) -> str | None:
    """The s3:// URL that a path stands for, also where `Path` took one of its slashes; None of a file here."""
    text = path if isinstance(path, str) else path.as_posix()
    scheme, slash, rest = text.partition(":/")
    return SCHEME + rest.lstrip("/") if slash and scheme == "s3" else None


def shown(path: Path) -> str:
    """A path for people and logs: the URL, or the absolute path."""
    return url_of(path) or str(path.resolve())


def storage_options() -> dict[str, str]:
    """How the object store is reached, as polars and deltalake take it; credentials they read themselves."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    options = {} if endpoint is None else {"aws_endpoint_url": endpoint, "allow_http": "true"}
    return options | ({} if region is None else {"aws_region": region})


def below(url: str) -> list[Object]:
    """The objects of a "folder", or the one object of that name, in order of their keys.

    Raises:
        FindCLIError: the bucket cannot be listed.
    """
    store, key = _open(url)
    with _asking(url):
        inside = [each for batch in store.list(prefix=key or None) for each in batch]
        alone = [] if inside or not key else _head(store, key)
    objects = [Object(each["path"], each["size"], str(each["e_tag"])) for each in (*inside, *alone)]
    return sorted(objects, key=lambda each: each.key)


def require_reachable(url: str) -> None:
    """Refuse an object that cannot be written, as far as a look at its place tells.

    Who may write need not be allowed to look: that is said when the object is put.

    Raises:
        FindCLIError: it names no object, the store does not answer, or there are no credentials.
    """
    bucket, _, key = url.removeprefix(SCHEME).partition("/")
    if not bucket or not key or key.endswith("/"):
        raise FindCLIError(f"{url} names no object", hint="write s3://BUCKET/NAME, as in s3://shop/audience.csv")
    store, key = _open(url)
    from obstore.exceptions import PermissionDeniedError

    with _asking(url, doing="written"), suppress(PermissionDeniedError):
        _head(store, key)


def download(url: str, target: Path) -> None:
    """Copy an object into a file, some megabytes at a time.

    Raises:
        FindCLIError: it cannot be read.
    """
    with target.open("wb") as file:
        for chunk in _chunks(url):
            file.write(chunk)


def upload(file: Path, url: str) -> None:
    """Write a file as an object; a reader sees the old one or the new one, never a part.

    Raises:
        FindCLIError: it cannot be written; what was there stays.
    """
    store, key = _open(url)
    with _asking(url, doing="written"), file.open("rb") as content:
        store.put(key, content)


@contextmanager
def uploading(url: str) -> Iterator[Path]:
    """Yield a temporary file of the object's suffix, and write the object when the block ends well.

    Raises:
        FindCLIError: it cannot be written; what was there stays.
    """
    with tempfile.TemporaryDirectory(prefix="findcli-") as folder:
        file = Path(folder) / PurePath(url).name
        yield file
        upload(file, url)


def require_folder(path: Path) -> None:
    """Refuse a workspace at s3://: run folders are renamed into place under locks, and an object store has neither.

    Raises:
        FindCLIError: it is one.
    """
    if url := url_of(path):
        hint = "keep the workspace on a disk; its sources may lie at s3://, and --output may write there"
        raise FindCLIError(f"a workspace is a folder of this machine, and {url} is none", hint=hint)


def _open(url: str) -> tuple[Any, str]:
    """The store of a URL's bucket, and the key."""
    bucket, _, key = url.removeprefix(SCHEME).partition("/")
    if not bucket:
        raise FindCLIError(f"{url} names no bucket", hint="write s3://BUCKET/NAME")
    try:
        from obstore.store import S3Store
    except ImportError as error:
        raise FindCLIError(f"{url} is at s3://", hint=NO_LIBRARY) from error
    http = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    options: Any = {"allow_http": http, "connect_timeout": "10s"}
    return S3Store(bucket, client_options=options, retry_config={"max_retries": RETRIES}), key


def _head(store: Any, key: str) -> list[Any]:
    try:
        return [store.head(key)]
    except FileNotFoundError:
        return []


def _chunks(url: str) -> Iterator[bytes]:
    store, key = _open(url)
    with _asking(url):
        yield from (bytes(chunk) for chunk in store.get(key).stream(min_chunk_size=CHUNK))


@contextmanager
def _asking(url: str, *, doing: str = "read") -> Iterator[None]:
    """Turn what the store says into an error in one line."""
    from obstore.exceptions import BaseError

    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        hint = "is the name right, and may these credentials do it?"
        if IDENTITY in str(error):
            raise FindCLIError(f"{url} cannot be {doing}: there are no credentials", hint=SET_KEYS) from error
        if "error sending request" in str(error):
            hint = "is AWS_ENDPOINT_URL right, and the network there?"
        raise FindCLIError(f"{url} cannot be {doing}: {_said(error)}", hint=hint) from error


def _said(error: Exception) -> str:
    """What the store says, without the library's account of its attempts."""
    message = re.search(r"<Message>(.*?)</Message>", str(error))
    return message.group(1) if message else first_line(error)
