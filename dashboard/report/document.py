"""The whole report as one file: sections, the style of paper, and the script that draws the figures."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from dashboard.report.blocks import Lead, Missing, Section, Text, section
from dashboard.report.findings import Filled, checklist_sections, fill
from dashboard.report.front import back, badges_of, front
from dashboard.report.markup import Writer, escaped
from dashboard.report.mask_sections import region_section
from dashboard.report.outcome_sections import outcome_section
from dashboard.report.study import Study

HERE = Path(__file__).parent
POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data: blob:"
NOTICE = "For research. Not a medical device; not for decisions about a patient's care."


def sections_of(study: Study, filled: tuple[Filled, ...] | None = None) -> tuple[Section, ...]:
    """All sections of a report in reading order, checklists last.

    Args:
        filled: the checklists as ``findings.fill`` gives them; else they are filled here.
    """
    results = region_section if study.is_segmentation else outcome_section
    subjects = tuple(results(study, str(item["name"])) for item in study.subjects)
    lists = checklist_sections(fill(study) if filled is None else filled)
    return (*front(study), *subjects, *back(study), *lists)


def report_html(study: Study) -> str:
    """The report as one HTML document that loads nothing; the same study gives the same bytes."""
    sections = sections_of(study)
    writer = Writer()
    body = "\n".join(writer.section(part) for part in sections)
    title = escaped(str(study.info.get("title") or study.summary.name))
    head = section("top", str(study.info.get("title") or study.summary.name), _opening(study), 1)
    return "\n".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{title}</title>\n<style>\n{_own('report.css')}</style>\n</head>\n<body>\n<main>",
            writer.section(head),
            _contents(sections),
            body,
            f"<footer><p>{escaped(NOTICE)}</p></footer>\n</main>",
            f'<script type="application/json" id="plots">{writer.data()}</script>',
            f"<script>{_plotly()}</script>\n<script>\n{_own('report.js')}</script>\n</body>\n</html>\n",
        )
    )


def _opening(study: Study) -> tuple[Text | Lead | Missing, ...]:
    question = str(study.info.get("question") or "")
    asked = Text(question) if question else Missing("The recipe asks no question.")
    return (badges_of(study), asked)  # type: ignore[return-value]


def _contents(sections: tuple[Section, ...]) -> str:
    items = "".join(f'<li><a href="#{escaped(part.anchor)}">{escaped(part.title)}</a></li>' for part in sections)
    return f'<nav aria-label="Contents"><ol>{items}</ol></nav>'


@lru_cache(maxsize=4)
def _own(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _plotly() -> str:
    """The library that draws figures, as the installed package carries it."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs()).replace("</script", "<\\/script")
