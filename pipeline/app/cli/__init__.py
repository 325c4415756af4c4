"""The command line: its grammar and its exit codes."""
