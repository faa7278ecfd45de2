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

from core.errors import NotYetError, RunError
from core.studies.jobs import JobResult, StudyInput, run_job
from core.studies.plan import Job

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")

OnDone = Callable[[Job, JobResult], None]
"""Called in the parent process for every finished job."""

_given: StudyInput | None = None


def run_jobs(jobs: Sequence[Job], given: StudyInput, *, executor: str, workers: int, on_done: OnDone) -> None:
    """Nothing; every job is run once and handed to ``on_done``.

    Args:
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
            on_done(job, run_job(job, given))
        return
    with _one_thread_each():
        _run_in_pool(jobs, given, workers, on_done)


def _run_in_pool(jobs: Sequence[Job], given: StudyInput, workers: int, on_done: OnDone) -> None:
    context = multiprocessing.get_context("spawn")
    waiting = list(reversed(jobs))
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(given, os.getpid()))
    running: dict[Future[JobResult], Job] = {}
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


def _start_worker(given: StudyInput, parent: int) -> None:
    global _given
    _given = given
    threading.Thread(target=_leave_with_parent, args=(parent,), daemon=True).start()


def _leave_with_parent(parent: int) -> None:
    """A killed parent cannot stop its workers; each looks whether it is still there."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _work(job: Job) -> JobResult:
    if _given is None:
        raise RunError("A worker was not given its data.", do="Run the same command again.")
    return run_job(job, _given)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Worker processes inherit these; libraries read them once, when they are imported."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
