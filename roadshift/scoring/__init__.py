"""Scores from confusion matrices: metrics, calibration, confidence intervals. No TensorFlow."""
