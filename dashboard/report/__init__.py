"""A study as one HTML file that opens without a network, and the checklists that its own artefacts fill."""
