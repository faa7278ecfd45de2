"""views of the dashboard."""
