"""What stays of a study's finished run."""

KEEP = ("models", "all", "nothing")  # of a study's finished run
