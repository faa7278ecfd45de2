"""charts of the dashboard."""
