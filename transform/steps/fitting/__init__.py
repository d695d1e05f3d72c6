"""The last step, and the estimators that it may fit."""
