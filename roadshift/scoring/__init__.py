"""Scores from confusion matrices: metrics, calibration, confidence intervals. NumPy only."""
