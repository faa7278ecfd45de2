"""Nouns of the house: frozen, checked when made, plain data."""
