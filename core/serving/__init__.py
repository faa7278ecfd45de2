"""Prediction from bundles."""
