"""Gates: suites of real conversations that a candidate must pass before any user sees it."""
