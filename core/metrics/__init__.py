"""One file per family of metric."""
