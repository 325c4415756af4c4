"""Many runs: studies and tuning, over one queue."""
