"""Benchmarks on devices over SSH."""
