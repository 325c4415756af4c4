"""One file a stage: what it depends on and what it writes."""
