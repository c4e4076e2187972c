"""A disk cache of text vectors, one folder per model, so that each distinct text is encoded once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from findcli.errors import FindCLIError, first_line
from findcli.progress import Progress
from findcli.workspace.disk import replacing

if TYPE_CHECKING:
    from findcli.models.text.encoder import TextEncoder


def cached_vectors(
    folder: Path, texts: Sequence[str], encoder: Callable[[], TextEncoder], *, progress: Progress | None = None
) -> np.ndarray:
    """The vector of each text; only those missing from the folder are encoded.

    Args:
        folder: the cache of one model, made if missing.
        texts: any texts; duplicates are encoded once.
        encoder: loads the model; called only if a text is missing.
        progress: called with the number of texts encoded so far.

    Returns:
        float32 (len(texts), d_text), in the order of the texts.

    Raises:
        FindCLIError: the cache cannot be read.
    """
    wanted = pl.DataFrame({"text": list(texts)}, schema={"text": pl.String})
    distinct = wanted.unique(maintain_order=True)
    cached = _read(folder, distinct)
    missing = (distinct if cached is None else distinct.join(cached, on="text", how="anti", maintain_order="left"))[
        "text"
    ].to_list()
    if missing:
        fresh = _encode(encoder(), missing, progress)
        _write(folder, fresh)
        cached = fresh if cached is None else pl.concat([cached, fresh])
    assert cached is not None or wanted.is_empty()
    if cached is None:
        return np.zeros((0, 0), np.float32)
    return wanted.join(cached, on="text", how="left", maintain_order="left")["vector"].to_numpy()


def _encode(encoder: TextEncoder, texts: list[str], progress: Progress | None) -> pl.DataFrame:
    encoder.eval()
    vectors = np.empty((len(texts), encoder.width), np.float32)
    done = 0
    for rows, batch in encoder.vectors(texts):
        vectors[rows] = batch.numpy()
        done += len(rows)
        if progress:
            progress(done, len(texts), {})
    return pl.DataFrame(
        {"text": texts, "vector": vectors}, schema={"text": pl.String, "vector": pl.Array(pl.Float32, encoder.width)}
    )


def _read(folder: Path, wanted: pl.DataFrame) -> pl.DataFrame | None:
    shards = sorted(folder.glob("*.parquet"))
    if not shards:
        return None
    try:
        cached = (
            pl.scan_parquet(shards, glob=False).join(wanted.lazy(), on="text", how="semi").collect(engine="streaming")
        )
    except (OSError, pl.exceptions.PolarsError) as error:
        hint = f"delete {folder}; the vectors are computed again"
        raise FindCLIError(
            f"the cached text vectors in {folder} cannot be read: {first_line(error)}", hint=hint
        ) from error
    return cached.unique("text", keep="any")


def _write(folder: Path, fresh: pl.DataFrame) -> None:
    """Add a shard named by a hash of its texts: two processes that encode the same texts write the same file."""
    name = hashlib.blake2b("\n".join(fresh["text"]).encode(), digest_size=16).hexdigest()
    with replacing(folder / f"{name}.parquet") as path:
        fresh.write_parquet(path)


def without_texts(folder: Path, texts: Collection[str]) -> int:
    """Take texts, and whatever quotes one of them, out of a cache with their vectors; how many there were.

    Args:
        folder: the cache of one model.
        texts: the texts, in any case.
    """
    if not texts:
        return 0
    removed = 0
    for shard in sorted(folder.glob("*.parquet")):
        frame = pl.read_parquet(shard, glob=False)
        others = frame.filter(~pl.col("text").str.contains_any(list(texts), ascii_case_insensitive=True))
        removed += len(frame) - len(others)
        if others.is_empty():
            shard.unlink()
        elif len(others) < len(frame):
            with replacing(shard) as path:
                others.write_parquet(path)
    return removed
