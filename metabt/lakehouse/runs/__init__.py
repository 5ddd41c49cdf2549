"""Runs: `commits` writes any number of them at once, each whole or not at all; `stored_runs` finds and reads them."""
