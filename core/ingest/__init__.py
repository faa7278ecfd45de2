"""The one door for outside bytes: accepted or refused."""
