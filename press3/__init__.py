"""The composition root: the only place that reads configuration, environment, signals and the clock."""
