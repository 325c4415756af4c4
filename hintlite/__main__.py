"""`python -m hintlite` is `hintlite`."""

from hintlite.pipeline.app.cli.main import main

raise SystemExit(main())
