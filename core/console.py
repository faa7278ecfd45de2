"""What the command line shows of itself: two consoles, errors as one calm message, and progress."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from core.errors import OpSightError

out = Console()
err = Console(stderr=True)

Command = TypeVar("Command", bound=Callable[..., Any])


def guarded(command: Command) -> Command:
    """The command with our own errors as one calm message and an exit code."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except OpSightError as error:
            err.print(f"[bold red]{error.code}[/bold red]  ", end="")
            err.print(error.message, markup=False, highlight=False, soft_wrap=True)
            if error.do:
                err.print(f"  -> {error.do}", markup=False, highlight=False, soft_wrap=True)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt:
            err.print("Stopped. Finished jobs are kept; the same command goes on where it was.", soft_wrap=True)
            raise typer.Exit(130) from None

    return run  # type: ignore[return-value]


@contextmanager
def progress_bars() -> Iterator[Any]:
    """A progress bar that says what is being done and how long is left."""
    from core.studies.run import Progress as Watcher

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("left:"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def say(phrase: str, share: float) -> None:
            if "stage" not in tasks:
                tasks["stage"] = bars.add_task(phrase, total=1.0)
            bars.update(tasks["stage"], description=phrase, completed=share, visible=share < 1.0)

        def jobs(done: float, total: float, phrase: str) -> None:
            if "jobs" not in tasks:
                tasks["jobs"] = bars.add_task(phrase, total=total)
            bars.update(tasks["jobs"], description=phrase, completed=done)

        yield Watcher(say=say, jobs=jobs)
