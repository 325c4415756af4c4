"""`bundle`, `benchmark` and `quantize --explain` on files that no run of ours has made."""
