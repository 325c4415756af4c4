"""A study: methods with their settings, over seeds, in parallel, one small record a run."""
