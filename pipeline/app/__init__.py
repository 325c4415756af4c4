"""The command line and the stages: the only place that sees all four packages."""
