"""`hintlite fit`: does a model fit a board, and what smaller one would."""
