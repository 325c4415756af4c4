"""Where samples come from: one file a source, chosen in dispatch.py."""
