"""The command-line options of the stages."""
