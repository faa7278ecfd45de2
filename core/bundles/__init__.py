"""Writing, verifying and opening model bundles."""
