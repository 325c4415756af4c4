"""The folder that goes to a device, and its manifest."""
