"""Sections of the page: a builder in each file takes a run and returns its section, or None where there is none."""
