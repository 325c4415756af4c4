"""The benchmarks of hintlite itself."""
