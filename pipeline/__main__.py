"""`python -m pipeline` is `hintlite`."""

from pipeline.app.cli import main

raise SystemExit(main())
