"""Fitted pipelines as plain arrays: the same answers without pandas and scikit-learn."""
