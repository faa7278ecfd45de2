"""One calm box for everything that goes wrong: what happened, what to do, a reference number."""

from __future__ import annotations

import functools
import logging
import secrets
import traceback
from collections.abc import Callable
from typing import ParamSpec, cast

import streamlit as st

from core.errors import OpSightError

LOG = logging.getLogger("opsight.dashboard")


P = ParamSpec("P")


def guarded(render: Callable[P, None]) -> Callable[P, None]:
    """The same page or part of one, with a calm box in place of an error."""

    @functools.wraps(render)
    def page(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            render(*args, **kwargs)
        except Exception as error:  # the last line of defence of a page: a reader must never see a stack trace
            show(error)

    return page


def section(render: Callable[P, None]) -> Callable[P, None]:
    """A part of a page that is drawn again by itself when a control inside it moves, with its own calm box."""
    return cast("Callable[P, None]", st.fragment(guarded(render)))


def show(error: Exception) -> str:
    """Shows the box and logs the place of the error; gives the reference number that both carry."""
    reference = f"OP-{secrets.token_hex(3).upper()}"
    LOG.error("%s %s at %s", reference, _kind(error), _where(error))
    if isinstance(error, OpSightError):
        happened, do = error.message, error.do
    else:
        happened, do = "Something went wrong on this page.", "Load the page again. If it stays, pass on the reference below."
    st.warning(f"**{_plain(happened)}**  \n{_plain(do)}\n\nReference: {reference}")
    return reference


def _kind(error: Exception) -> str:
    return f"{type(error).__name__}/{error.code}" if isinstance(error, OpSightError) else type(error).__name__


def _where(error: Exception) -> str:
    """File, line and function only: the text of a foreign error may hold a patient's values."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return " < ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in reversed(frames))


def _plain(text: str) -> str:
    """Text that Markdown shows as it is written."""
    for sign in "\\`*_[]<>$#|~:":
        text = text.replace(sign, f"\\{sign}")
    return text
