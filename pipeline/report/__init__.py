"""The report page, one section a file."""
