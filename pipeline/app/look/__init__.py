"""Commands that only look: inspect, predict, report, compare, cache, doctor."""
