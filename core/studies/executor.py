"""Running jobs: here, in worker processes with one thread each."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, TypeVar

from core.errors import NotYetError, RunError

WORKER_VARIABLES: dict[str, str] = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1"),
    # The C library keeps what a training step frees instead of giving it back: a tenth more steps a second.
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
}
"""What worker processes start with."""

J = TypeVar("J")
R = TypeVar("R")
G = TypeVar("G")

_task: tuple[Callable[[Any, Any], Any], Any] | None = None
"""In a worker process: what it does with a job, and the data that all jobs read."""


def run_jobs(
    jobs: Sequence[J],
    given: G,
    work: Callable[[J, G], R],
    *,
    executor: str,
    workers: int,
    on_done: Callable[[J, R], None],
) -> None:
    """Nothing; every job is run once and its result handed to ``on_done`` in this process.

    Args:
        given: all that jobs read; it travels to worker processes once.
        work: runs one job; a function of a module, so that worker processes find it.
        executor: ``local``: worker processes on this machine; ``serial``: in this process, for tests and debugging.
        workers: processes, at least 1. Every worker uses one thread, so that results do not depend on their number.

    Raises:
        NotYetError: an executor that this version does not have.
        RunError: a worker died.
    """
    if executor == "ray":
        raise NotYetError("The Ray executor is not part of this version.", do="Use --executor local.")
    if executor == "serial":
        for job in jobs:
            on_done(job, work(job, given))
        return
    with _worker_environment():
        _run_in_pool(jobs, (work, given), workers, on_done)


def _run_in_pool(jobs: Sequence[J], task: tuple[Callable[[J, G], R], G], workers: int, on_done: Callable[[J, R], None]) -> None:
    context = multiprocessing.get_context("spawn")
    waiting = list(reversed(jobs))
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(task, os.getpid()))
    running: dict[Future[Any], J] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers + 1:
                job = waiting.pop()
                running[pool.submit(_work, job)] = job
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                on_done(running.pop(future), future.result())
    except BrokenProcessPool as error:
        raise RunError(
            "A worker process died, most likely for lack of memory.",
            do="Run the same command again: finished jobs are kept. Use fewer --workers if it happens again.",
            code="WORKER_DIED",
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _start_worker(task: tuple[Callable[[Any, Any], Any], Any], parent: int) -> None:
    global _task
    _task = task
    threading.Thread(target=_leave_with_parent, args=(parent,), daemon=True).start()


def _leave_with_parent(parent: int) -> None:
    """A killed parent cannot stop its workers; each looks whether it is still there."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _work(job: Any) -> Any:
    if _task is None:
        raise RunError("A worker was not given its data.", do="Run the same command again.")
    work, given = _task
    return work(job, given)


@contextmanager
def _worker_environment() -> Iterator[None]:
    """Worker processes inherit these; libraries read them once, when they are imported."""
    before = {name: os.environ.get(name) for name in WORKER_VARIABLES}
    os.environ.update(WORKER_VARIABLES)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
