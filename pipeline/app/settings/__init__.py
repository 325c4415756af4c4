"""Between text (YAML, flags) and the settings of a run."""
