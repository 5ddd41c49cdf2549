"""The report: one run as one HTML page that needs no network."""

from metabt.report.page import render, write_page, write_report

__all__ = ["render", "write_page", "write_report"]
