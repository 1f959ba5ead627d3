"""Appeals: the case and the features that stand on it."""
