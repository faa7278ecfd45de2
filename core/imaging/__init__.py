"""Geometry, preparation for networks, and anatomy measured from masks."""
