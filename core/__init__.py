"""OpSight: preoperative images and records to surgical outcomes, judged in the open."""

__version__ = "0.2.0"
