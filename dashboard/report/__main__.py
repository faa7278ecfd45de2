"""``python -m dashboard.report NAME [--out FILE]``: a study as one HTML file.

Exit codes as of ``python -m core``: 0 done, 2 usage or bad input, 3 failed, 4 disk full.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.errors import OpSightError
from core.storage.atomic import atomic_write
from core.storage.summaries import find_study

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def report(
    name: Annotated[str, typer.Argument(help="A study: python -m core study list")],
    out: Annotated[Path | None, typer.Option(help="File to write; default: <study>_report.html here.")] = None,
) -> None:
    """Write the report of a study: one HTML file that opens without a network.

    Example: python -m dashboard.report kits_outcomes --out kits.html
    """
    from dashboard.report.document import report_html
    from dashboard.report.study import study_at

    try:
        place = find_study(name)
        target = out or Path(file_name(place.name))
        atomic_write(target, report_html(study_at(place)).encode())
    except OpSightError as error:
        typer.echo(f"{error.code}  {error.message}", err=True)
        if error.do:
            typer.echo(f"  -> {error.do}", err=True)
        raise typer.Exit(error.exit_code) from error
    typer.echo(f"Wrote {target}.")


def file_name(study: str) -> str:
    """What the file of a study is called."""
    return f"{study.replace(':', '_')}_report.html"


if __name__ == "__main__":
    app(prog_name="python -m dashboard.report")
