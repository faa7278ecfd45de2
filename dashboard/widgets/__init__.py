"""widgets of the dashboard."""
