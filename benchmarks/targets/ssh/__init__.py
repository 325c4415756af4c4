"""A device that is reached with OpenSSH: its settings, the connection, the agent at its end."""
