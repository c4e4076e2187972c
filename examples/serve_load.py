"""Measure `findcli serve` under load: python examples/serve_load.py WORKSPACE [USERS] [CLIENTS] [REQUESTS].

The users of a trained workspace are repeated until they are as many as asked for, which costs as much to rank as so
many different ones. Each client is a person: a sentence, then nineteen moves of the size, then the next sentence.

Tested in tests/audiences/serve/test_load.py.
"""

from __future__ import annotations

import http.client
import os
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

MOVES = 20  # requests about one sentence


def main(workspace: str, users: int = 100_000, clients: int = 8, requests: int = 200) -> dict[str, list[float]]:
    """Print the times of a person alone and of several, and give them in seconds; none where an answer failed."""
    import uvicorn

    from findcli.audiences.serve.answers import Answers
    from findcli.audiences.serve.app import guarded
    from findcli.audiences.serve.listen import listening
    from findcli.workspace.folder import load_workspace

    answers = Answers(load_workspace(Path(workspace)))
    sentences = enlarge(answers, users)
    with listening("127.0.0.1", 0) as socket:
        server = uvicorn.Server(uvicorn.Config(guarded(answers, hosts=["127.0.0.1"]), log_level="error", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]}, daemon=True)
        thread.start()
        port = socket.getsockname()[1]
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:  # clients do not share the server's lock
            pool.submit(ask, port, sentences[:1], users, 2).result()
            alone = pool.submit(ask, port, sentences, users, requests).result()
            known = sentences[: -(-requests // MOVES)]
            moving = pool.submit(crowd, port, [known] * clients, users, requests).result()
            others = [sentences[len(known) + i :: clients] for i in range(clients)]
            mixed = pool.submit(crowd, port, others, users, max(MOVES, requests // 5)).result()
        server.should_exit = True
        thread.join()
    first, moved = alone[::MOVES], [took for i, took in enumerate(alone) if i % MOVES]
    times = {
        "alone, new sentence": first,
        "alone, size moved": moved,
        f"{clients} at once, sizes of sentences that were asked before": moving,
        f"{clients} at once, each with sentences of his own": mixed,
    }
    for name, seconds in times.items():
        print(f"{name}: {len(seconds)} requests, {summary(seconds)}")
    print(f"{users:,} users, load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return times


def enlarge(answers: Any, users: int) -> list[str]:
    """Repeat the users of a workspace's engine until they are so many; the sentences that can be asked of them."""
    import numpy as np
    import polars as pl

    engine = answers.warm()
    population = engine.population
    rows = np.arange(users) % len(population.users)
    snapshot = population.snapshot
    larger = replace(
        population,
        users=pl.Series("user_id", np.arange(users)),
        tensors={name: array[rows] for name, array in population.tensors.items()},
        snapshot=replace(snapshot, habits=snapshot.habits.rows(rows), factors=snapshot.factors[rows]),
    )
    vars(engine).pop("scorer", None)
    vars(engine).update(population=larger, users=larger.users)
    of_user = pl.DataFrame({"user_id": population.users, "row": np.arange(len(population.users))})
    latest = of_user.join(answers._latest[1], on="user_id", how="left", maintain_order="left")["latest"]
    answers._latest = engine, pl.DataFrame({"user_id": larger.users, "latest": latest.gather(rows)})
    return snapshot.texts.to_list()


def ask(port: int, sentences: Sequence[str], users: int, requests: int) -> list[float]:
    """The seconds that each of one person's requests took.

    Raises:
        RuntimeError: one was not answered.
    """
    connection, seconds = http.client.HTTPConnection("127.0.0.1", port, timeout=60), []
    for i in range(requests):
        sentence = sentences[i // MOVES % len(sentences)]
        size = max(1, round(users ** ((i % MOVES + 1) / (MOVES + 1))))
        begin = time.perf_counter()
        connection.request("GET", f"/answer?{urlencode({'q': sentence, 'users': size})}")
        answer = connection.getresponse()
        answer.read()
        seconds.append(time.perf_counter() - begin)
        if answer.status != 200:
            raise RuntimeError(f"{answer.status} for {sentence!r}")
    connection.close()
    return seconds


def crowd(port: int, sentences: Sequence[Sequence[str]], users: int, requests: int) -> list[float]:
    """The seconds of several persons' requests at once; the sentences of each."""
    with ThreadPoolExecutor(len(sentences)) as pool:
        each = [pool.submit(ask, port, of_one, users, requests) for of_one in sentences]
        return [took for one in each for took in one.result()]


def summary(seconds: Sequence[float]) -> str:
    """Percentiles in milliseconds."""
    ordered = sorted(seconds)
    at = {share: ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (0.5, 0.95, 0.99)}
    return ", ".join(f"p{share * 100:.0f} {1000 * took:.0f} ms" for share, took in at.items())


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
