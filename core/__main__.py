"""The command line: study, data, model, doctor.

Exit codes: 0 done, 2 usage or bad input, 3 failed run, 4 disk full, 130 stopped with Ctrl-C, 143 stopped by SIGTERM.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.table import Table

from core.console import err, guarded, out, progress_bars
from core.contracts.dataset import LoadOptions
from core.contracts.recipe import PROFILES, Profile
from core.contracts.recipe_file import AnyRecipe, load_recipe
from core.contracts.segmentation_recipe import SegmentationRecipe
from core.datasets import DATASETS
from core.errors import InputError, did_you_mean
from core.storage.atomic import atomic_write
from core.storage.locations import data_parent, dataset_root, places

if TYPE_CHECKING:
    from core.studies.run import FinishedRun, RunOptions

SET = {"no_args_is_help": True, "rich_markup_mode": "rich", "pretty_exceptions_enable": False}
app = typer.Typer(help="OpSight: which surgical outcome model can be trusted, on whom, and how far.", **SET)  # type: ignore[arg-type]
study_app = typer.Typer(help="Run, list, show and publish studies.", **SET)  # type: ignore[arg-type]
data_app = typer.Typer(help="Describe, check and fetch data sets.", **SET)  # type: ignore[arg-type]
model_app = typer.Typer(help="Model bundles.", **SET)  # type: ignore[arg-type]
app.add_typer(study_app, name="study")
app.add_typer(data_app, name="data")
app.add_typer(model_app, name="model")

DataOption = Annotated[
    Path | None, typer.Option("--data", help="Parent folder of the data sets; else $OPSIGHT_DATA, else data/raw.")
]


@study_app.command("run")
@guarded
def study_run(
    recipe: Annotated[Path, typer.Argument(help="A recipe, or the name of one in core/recipes.")],
    profile: Annotated[str, typer.Option(help="quick, cpu or full.")] = "cpu",
    data: DataOption = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    executor: Annotated[str, typer.Option(help="local, serial or ray.")] = "local",
    workers: Annotated[
        int | None, typer.Option(min=1, help="Worker processes; default: one a core, at most 8; 1 on a GPU.")
    ] = None,
) -> None:
    """Run a study, or go on where it stopped.

    Example: python -m core study run core/recipes/phantom.yaml --profile quick
    """
    from core.studies.run import RunOptions
    from core.training.device import choose_device

    loaded = load_recipe(_recipe_path(recipe), _profile(profile))
    _one_of("executor", executor, ("local", "serial", "ray"))
    chosen = choose_device(_one_of("device", device, ("auto", "cpu", "cuda")))
    count = workers or (1 if chosen == "cuda" else min(os.cpu_count() or 1, 8))
    signal.signal(signal.SIGTERM, _terminated)
    with progress_bars() as progress:
        done = _run_any(loaded, RunOptions(data, chosen, executor, count, profile), progress)
    info = done.summary.info
    out.print(f"[bold]{info['title']}[/bold]  run {info['run_id']}: {done.jobs_run} of {done.jobs} jobs run now.")
    for subject, sentence in info["headlines"].items():
        out.print(f"  [bold]{subject}[/bold]  {sentence}", highlight=False)
    for sentence in info["skipped"]:
        out.print(f"  [yellow]not computed[/yellow]  {sentence}", highlight=False)
    out.print(f"Show it: python -m core study show {loaded.name}    Publish it: python -m core study publish {loaded.name}")


@study_app.command("new")
@guarded
def study_new(
    dataset: Annotated[str, typer.Argument(help="A data set: python -m core data list")],
    to: Annotated[Path | None, typer.Option(help="File to write; default: <data set>_study.yaml here.")] = None,
    option: Annotated[list[str] | None, typer.Option(help="An option of the data set, as key=value (codebook=my.yaml).")] = None,
    data: DataOption = None,
) -> None:
    """Write a commented recipe for a data set.

    Example: python -m core study new table --option table=ours.csv --option codebook=ours.yaml
    """
    from core.studies.template import recipe_text

    spec = DATASETS.get(dataset)
    if spec.load is None:
        raise InputError(
            f"{spec.label} has no outcomes of patients.",
            do="Copy core/recipes/segmentation_isic.yaml and name your data set in it.",
        )
    options = _pairs(option or [])
    target = to or Path(f"{dataset}_study.yaml")
    if target.exists():
        raise InputError(f"{target} is already there.", do="Name another file with --to.")
    with progress_bars() as progress:
        try:
            cohort = spec.load(_load_options(dataset, data, options, progress.say))
        except InputError as error:
            if options:
                raise
            cohort = None
            err.print(f"The data could not be read ({error.message}); outcomes are left for you to fill in.", markup=False)
    name = target.stem.lower().replace("-", "_")
    atomic_write(target, recipe_text(spec, cohort, name=name, file=str(target), options=options).encode())
    out.print(f"Wrote {target}. Read it, then: python -m core study run {target}")


@study_app.command("list")
@guarded
def study_list() -> None:
    """List studies and the recipes that can be run.

    Example: python -m core study list
    """
    from core.storage.summaries import list_studies, read_summary

    table = Table("study", "where", "data", "patients", "run", "title")
    for place in list_studies():
        info = read_summary(place.summary).info
        where = "published" if place.published else f"run here ({info['profile']})"
        simulated = " SIMULATED" if info["dataset"]["simulated"] else ""
        table.add_row(
            place.name,
            where,
            info["dataset"]["label"] + simulated,
            str(info["dataset"]["n_patients"]),
            info["run_id"],
            info["title"],
        )
    out.print(table)
    recipes = Table("recipe", "title")
    for path in sorted(_recipes_folder().glob("*.yaml")):
        recipes.add_row(f"core/recipes/{path.name}", load_recipe(path).title)
    out.print(recipes)


@study_app.command("show")
@guarded
def study_show(
    name: Annotated[str, typer.Argument(help="A study: python -m core study list")],
    json: Annotated[bool, typer.Option("--json", help="One JSON object, every number in it.")] = False,
) -> None:
    """Show a study's results.

    Example: python -m core study show kits_outcomes --json
    """
    from core.storage.summaries import find_study, read_summary
    from core.studies.show import headline_table, plain_study

    summary = read_summary(find_study(name).summary)
    if json:
        import json as writer

        typer.echo(writer.dumps(plain_study(summary), allow_nan=False))
        return
    out.print(f"[bold]{summary.info['title']}[/bold] ({summary.info['dataset']['label']})")
    for line in headline_table(summary):
        out.print(line, highlight=False)


@study_app.command("publish")
@guarded
def study_publish(name: Annotated[str, typer.Argument(help="A study that was run here.")]) -> None:
    """Write a published study to data/studies: scores and curves, no row of a patient.

    Example: python -m core study publish kits_outcomes
    """
    from core.studies.publish import publish_study

    folder = publish_study(name)
    out.print(f"Published to {_short(folder)}. It holds no row of a patient.")


@model_app.command("build")
@guarded
def model_build(
    study: Annotated[str, typer.Argument(help="A study that was run here.")],
    outcome: Annotated[str | None, typer.Option(help="Outcome that its recipe declares a bundle for.")] = None,
    row: Annotated[str | None, typer.Option(help="Row of a segmentation study: the weights that were judged.")] = None,
    data: DataOption = None,
) -> None:
    """Build a model bundle from a study.

    Example: python -m core model build phantom --outcome complication
    """
    from core.studies.build import build_from_study
    from core.studies.segmentation_build import build_segmenter

    if (outcome is None) == (row is None):
        raise InputError("A bundle is of one outcome, or of one row of a segmentation study.", do="Give --outcome or --row.")
    with progress_bars() as progress:
        if row is not None:
            folder = build_segmenter(study, row, data=data, progress=progress)
        else:
            folder = build_from_study(study, str(outcome), data=data, progress=progress)
    out.print(f"Bundle written to {_short(folder)}.")


@model_app.command("encoder")
@guarded
def model_encoder(
    source: Annotated[Path, typer.Argument(help="Recipe whose patients the encoder learns from.")],
    row: Annotated[str, typer.Argument(help="Its row: a network that reads pictures.")],
    target: Annotated[Path, typer.Argument(help="Recipe whose networks will begin with it: its pictures and network are used.")],
    out_file: Annotated[Path, typer.Option("--out", help="The safetensors file to write.")],
    channels: Annotated[str, typer.Option(help="Channels of the target in its order, such as kidney,tumour; none: all.")] = "",
    data: DataOption = None,
) -> None:
    """Train an image encoder on one data set for the networks of another: network.encoder_weights of a row.

    Example: python -m core model encoder phantom.yaml image_cnn3d kits_outcomes.yaml --out begin.safetensors
    """
    from core.studies.encoder import train_encoder

    learns, begins = load_recipe(_recipe_path(source)), load_recipe(_recipe_path(target))
    if isinstance(learns, SegmentationRecipe) or isinstance(begins, SegmentationRecipe):
        raise InputError("A recipe of segmentation was given.", do="There, weights are given by training.encoder_weights.")
    with progress_bars() as progress:
        kept = [name for name in channels.split(",") if name]
        written = train_encoder(learns, row, begins, out_file, channels=kept, data=data, device="cpu", progress=progress)
    out.print(f"Encoder written to {_short(written)}.")


@model_app.command("check")
@guarded
def model_check(
    bundle: Annotated[str, typer.Argument(help="A model bundle, such as phantom_complication.")],
    table: Annotated[Path, typer.Argument(help="CSV or Parquet of your own patients, columns named as the fields.")],
    outcome: Annotated[str, typer.Option(help="Column with what happened: 1 or 0.")],
    patient: Annotated[str, typer.Option(help="Column that names the patient.")] = "patient_id",
    date: Annotated[str, typer.Option(help="Column with the day of the operation, for observed beside expected by month.")] = "",
) -> None:
    """Check a shipped model on your own patients: accept, recalibrate, decline, or not yet.

    Example: python -m core model check phantom_complication own.csv --outcome complication --date operated_on
    """
    from core.serving.telling import TableColumns, check_lines

    _print_all(check_lines(bundle, table, TableColumns(outcome, patient, date)))


@model_app.command("outcomes")
@guarded
def model_outcomes(
    bundle: Annotated[str, typer.Argument(help="A model bundle, such as phantom_complication.")],
    table: Annotated[Path | None, typer.Argument(help="CSV or Parquet of cases to add; none: only tell what is kept.")] = None,
    outcome: Annotated[str, typer.Option(help="Column with what happened: 1 or 0.")] = "outcome",
    case: Annotated[str, typer.Option(help="Column with the number of the case in your own list; never a name.")] = "case",
    date: Annotated[str, typer.Option(help="Column with the day of the operation.")] = "date",
) -> None:
    """Keep observed outcomes, and tell observed beside expected by month with a rule when to stop.

    Example: python -m core model outcomes phantom_complication march.csv --outcome complication --date operated_on
    """
    from core.serving.telling import TableColumns, outcome_lines

    _print_all(outcome_lines(bundle, table, TableColumns(outcome, case, date)))


@model_app.command("plan")
@guarded
def model_plan(
    bundle: Annotated[str, typer.Argument(help="A model bundle of a stay (days) or of a yes or no, such as intensive care.")],
    table: Annotated[Path, typer.Argument(help="CSV or Parquet of planned patients, columns named as the fields.")],
    day: Annotated[str, typer.Option(help="Column with the day of the operation.")] = "day",
) -> None:
    """Tell what planned patients will need: beds by day and bed-days, or places such as intensive care.

    Example: python -m core model plan vitaldb_recovery next_week.csv --day operation
    """
    from core.serving.telling import plan_lines

    _print_all(plan_lines(bundle, table, day))


def _print_all(lines: Iterable[str]) -> None:
    for line in lines:
        out.print(line)


@data_app.command("list")
@guarded
def data_list() -> None:
    """List the data sets that can be read.

    Example: python -m core data list
    """
    table = Table("data set", "what it is", "folder", "licence")
    for spec in DATASETS:
        table.add_row(spec.name, spec.label, spec.folder or "-", spec.licence)
    out.print(table)


@data_app.command("describe")
@guarded
def data_describe(name: Annotated[str, typer.Argument(help="A data set.")], data: DataOption = None) -> None:
    """Describe a data set: what it holds, its terms, and its outcomes where the data are here.

    Example: python -m core data describe kits
    """
    from core.studies.show import describe_cohort, describe_pictures

    spec = DATASETS.get(name)
    out.print(f"[bold]{spec.label}[/bold]\n{spec.description}\nLicence: {spec.licence}\nCite: {spec.citation}", highlight=False)
    try:
        with progress_bars() as progress:
            given = _load_options(name, data, {}, progress.say)
            tables = [describe_cohort(spec.load(given))] if spec.load else []
            tables += [describe_pictures(spec.pictures(given))] if spec.pictures else []
    except InputError as error:
        out.print(f"Not read: {error}", markup=False, highlight=False)
        return
    for table in tables:
        out.print(table)


@data_app.command("verify")
@guarded
def data_verify(name: Annotated[str, typer.Argument(help="A data set.")], data: DataOption = None) -> None:
    """Check a data set on disk; exit code 2 if a study would refuse it.

    Example: python -m core data verify kits --data ../data
    """
    with progress_bars() as progress:
        findings = DATASETS.get(name).verify(_load_options(name, data, {}, progress.say))
    for finding in findings:
        colour = "red" if finding.level == "error" else "yellow"
        out.print(f"[{colour}]{finding.level}[/{colour}] ", end="")
        out.print(f"{finding.where}: {finding.what} {finding.do}", markup=False, highlight=False)
    errors = sum(finding.level == "error" for finding in findings)
    out.print(f"{name}: {errors} errors, {len(findings) - errors} remarks.")
    if errors:
        raise typer.Exit(2)


@data_app.command("get")
@guarded
def data_get(
    name: Annotated[str, typer.Argument(help="A data set.")],
    to: Annotated[Path, typer.Option(help="Parent folder; the data set goes into a folder of its own below it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Accept the licence without being asked.")] = False,
) -> None:
    """Download a public release: licence first, resumed where it stopped, checksums compared.

    Example: python -m core data get kits --to data/raw
    """
    from core.storage.download import fetch_release

    spec = DATASETS.get(name)
    files = spec.release()
    if not files:
        raise InputError(f"{spec.label} cannot be downloaded by this command.", do=spec.description)
    out.print(f"[bold]{spec.label}[/bold]: {len(files)} files.\nLicence: {spec.licence}\nCite: {spec.citation}", highlight=False)
    if not yes and not typer.confirm("Do you accept these terms?"):
        raise typer.Exit(2)
    with progress_bars() as progress:
        done = fetch_release(files, to / (spec.folder or spec.name), progress.say)
    out.print(f"{done.fetched} files fetched, {done.present} were there already.")


@data_app.command("draft-codebook")
@guarded
def data_draft_codebook(
    table: Annotated[Path, typer.Argument(help="A CSV or Parquet file.")],
    to: Annotated[Path | None, typer.Option(help="File to write; default: <table>.codebook.yaml here.")] = None,
) -> None:
    """Draft a codebook for a table: kinds, units and ranges guessed; 'known' is left for a person to fill.

    Example: python -m core data draft-codebook ours.csv
    """
    from core.ingest.draft import draft_codebook

    target = to or Path(f"{table.stem}.codebook.yaml")
    if target.exists():
        raise InputError(f"{target} is already there.", do="Name another file with --to.")
    atomic_write(target, draft_codebook(table).encode())
    out.print(f"Wrote {target}. Fill in every 'known:' (before, during or after the operation) and define the outcomes.")


@app.command("segment")
@guarded
def segment(
    segmenter: Annotated[str, typer.Argument(help="A segmenter's bundle: a folder of models/.")],
    files: Annotated[list[Path], typer.Argument(help="PNG, JPEG, TIFF or BMP pictures, or NIfTI volumes.")],
    to: Annotated[Path, typer.Option(help="Folder for the outlines; made when needed.")],
) -> None:
    """Outline pictures with a shipped segmenter; each outline is written as a PNG (a volume as NIfTI).

    Example: python -m core segment segmentation_isic_unet lesion.jpg --to outlines
    """
    from core.serving.outlines import write_outline
    from core.serving.segmenting import find_segmenter, outline, read_picture

    bundle = find_segmenter(segmenter)
    manifest = bundle.outline.manifest
    out.print(
        f"{manifest.label}, learned from {manifest.dataset_label}. For research. Terms: {manifest.licence}", highlight=False
    )
    pictures = [read_picture(path, bundle) for path in files]
    labels = [label for _, label in bundle.outline.preprocessing.regions]
    for found in outline(bundle, pictures):
        written = write_outline(found, to)
        told = ", ".join(f"{label} {100 * share:.1f} %" for label, share in zip(labels, found.shares))
        out.print(f"{found.name}: {told} of the picture; {', '.join(path.name for path in written)}", highlight=False)


@app.command("doctor")
@guarded
def doctor() -> None:
    """Check this installation; exit code 3 if something is missing.

    Example: python -m core doctor
    """
    from core.studies.doctor import examine

    checks = examine()
    table = Table("check", "", "found", "what to do")
    for check in checks:
        table.add_row(
            check.name, "[green]ok[/green]" if check.well else "[red]no[/red]", check.found, "" if check.well else check.do
        )
    out.print(table)
    if not all(check.well for check in checks):
        raise typer.Exit(3)


def _run_any(recipe: AnyRecipe, options: RunOptions, progress: Any) -> FinishedRun:
    """The finished study, of whichever kind."""
    if isinstance(recipe, SegmentationRecipe):
        from core.studies.segmentation_run import run_segmentation_study

        return run_segmentation_study(recipe, options, progress)
    from core.studies.run import run_study

    return run_study(recipe, options, progress)


def _terminated(number: int, frame: object) -> NoReturn:
    err.print("Stopped by SIGTERM. Finished jobs are kept; the same command goes on where it was.", soft_wrap=True)
    sys.exit(128 + number)


def _recipes_folder() -> Path:
    return Path(__file__).parent / "recipes"


def _recipe_path(given: Path) -> Path:
    shipped = _recipes_folder() / f"{given.stem}.yaml"
    return shipped if not given.exists() and given.suffix == "" and shipped.exists() else given


def _profile(given: str) -> Profile:
    _one_of("profile", given, PROFILES)
    return given  # type: ignore[return-value]


def _one_of(option: str, given: str, known: tuple[str, ...]) -> str:
    if given not in known:
        raise InputError(f"--{option} was given {given!r}.", do=did_you_mean(given, known))
    return given


def _pairs(given: list[str]) -> dict[str, str]:
    for item in given:
        if "=" not in item:
            raise InputError(f"--option was given {item!r}.", do="Write it as key=value.")
    return dict(item.split("=", 1) for item in given)


def _load_options(name: str, data: Path | None, options: dict[str, str], say: Callable[[str, float], None]) -> LoadOptions:
    spec = DATASETS.get(name)
    root = dataset_root(spec.folder, data) if spec.folder else data_parent(data)
    return LoadOptions(root=root, cache=places().cohorts / name, options=options, progress=say)


def _short(folder: Path) -> str:
    return str(folder.relative_to(places().home)) if folder.is_relative_to(places().home) else str(folder)


if __name__ == "__main__":
    app(prog_name="python -m core")
