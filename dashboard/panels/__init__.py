"""Parts of a page that are too long for its view: each draws one section from a summary."""
