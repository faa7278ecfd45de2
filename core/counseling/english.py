"""Every sentence that a patient may read, in English. Nothing but templates: one file to review, one file per language.

Numbers are filled in by ``core.counseling.words``. Short words, at most 15 of them, active voice, reading grade 6 or less.
``{people}`` is always the reference class, ``{window}`` the time window with a space before it, or nothing.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """How an outcome is told.

    Args:
        verb: what follows "will" and "will not".
        meaning: what counts, one sentence; empty where the page shows the definition instead.
        has_window: whether a time window may follow; not where the event names its own time.
    """

    verb: str
    meaning: str = ""
    has_window: bool = True


EVENTS: dict[str, Event] = {
    "complication": Event("have a complication", "A complication is any problem that comes from the surgery."),
    "major_complication": Event("have serious complications", "Serious means one more procedure, intensive care or death."),
    "success": Event("have full success", "Full success means that all its parts went well."),
    "recovery": Event("be home", "Home means out of hospital."),
    "long_stay": Event("stay 5 days or more", "Days means days in hospital.", has_window=False),
    "readmission": Event("return to hospital", "Return means to stay in hospital again after going home."),
    "kidney_function_loss": Event("lose kidney function", "Lost means that the kidneys filter much less blood than before."),
    "icu_stay": Event("need intensive care"),
    "in_hospital_death": Event("die in hospital"),
}
OTHER_EVENT = "have this outcome"
OTHER_MEANING = "The outcome here is: {label}."

LIKE_YOU = "people like you"
LIKE_YOU_SHORT = "like you"
SUCH_PATIENTS = "such patients"

WILL = "{count} of {denominator} {people} will {event}{window}."
WILL_NOT = "{count} of {denominator} {people} will not {event}{window}."
FEWER = "Fewer than"
MORE = "More than"
AT_MOST = "At most"
AT_LEAST = "At least"

RANGE = "The range is between {low} and {high} of {denominator} {people}{window}."
RANGE_NARROW = "The range rounds to {low} of {denominator} {people}{window}."
RANGE_MEANING = "The range shows how firm the model is, not your fate."
RANGE_CAUSE = "The model learned from {n} people, so its number is not exact."
GROUP_RANGE_CAUSE = "We counted {n} people, so the number is not exact."
HIDDEN_COUNT = "Very few had it, so we give only the most it could be."

REFERENCE = "These numbers come from {n} people: {reference}."
GROUP_WHY = "The model cannot tell your chance from the chance of others."
GROUP_INSTEAD = "So these numbers are for the whole group."
WINDOW_APART = "The time in question is: {horizon}."

BY_DAY = "by day {day}"
SAME_DAY = "on the same day"
REACHED = "{tenths} of 10 {people} will {event} {when}."
NOT_REACHED = "Fewer than {tenths} of 10 {people} will {event} by day {day}."
DAY_RANGE = "That day could lie between day {low} and day {high}."
DAY_RANGE_OPEN = "That day could be day {low} or later."

SIMULATED = ("A computer made these people up.", "The numbers are not for real care.")
DONE_WITHOUT = "The model had to do without this: {field}."
FEW_LIKE_THIS = "Few people in the data had this: {field}."
NOT_USED = "The model does not use this: {field}."

NO_NUMBER_TITLE = "{label}: no number"
NO_NUMBER = "We do not give you a number here."
NO_NUMBER_CALM = "This does not mean that something is wrong with you."


@dataclass(frozen=True)
class Silence:
    """Why no number is given, and what would be needed."""

    why: str
    needed: str


SILENCES: dict[str, Silence] = {
    "MISSING": Silence("Some facts that the model needs are missing.", "Your team can add them and try again."),
    "RANGE": Silence("Your record differs from those the model learned from.", "Your team can check the values with you."),
    "CATEGORY": Silence("One answer is not one that the model knows.", "Your team can check that answer."),
    "UNIT_SUSPECT": Silence("One value may be in another unit.", "Your team can check the unit and try again."),
    "CONFLICT": Silence("Two facts in the record do not fit together.", "Your team can check both of them."),
    "WIDE": Silence("The model is too unsure to give you a useful number.", "It would need to learn from more people."),
    "OUTPUT": Silence("The model gave no answer that we can use.", "Your team can talk with you without it."),
    "OOD_IMAGE": Silence("Your scan differs from those the model learned from.", "Your team can look at the scan again."),
    "MODALITY_MISSING": Silence("The model needs a scan, and there is none.", "Your team can add the scan and try again."),
}
OTHER_SILENCE = Silence("The model cannot judge your case.", "Your team can talk with you without it.")
