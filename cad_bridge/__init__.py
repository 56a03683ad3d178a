"""Ambulance CAD-to-CAD and validation workflow service (NHS BaRS)."""

__version__ = "0.1.0"
