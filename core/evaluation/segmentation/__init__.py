"""Judging a segmentation study: pure functions from rows of masks to the one summary that pages read."""
