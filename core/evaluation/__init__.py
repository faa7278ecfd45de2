"""Intervals, comparisons, curves and the evidence gate: pure functions over the predictions table."""
