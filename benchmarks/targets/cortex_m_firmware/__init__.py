"""Start-up code and measuring programs for an emulated Cortex-M."""
