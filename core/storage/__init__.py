"""The one door for writes, and where things lie."""
