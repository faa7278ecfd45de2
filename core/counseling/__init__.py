"""Statements to words and counts."""
