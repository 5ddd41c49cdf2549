"""The report: one run as one HTML page that needs no network, and its main charts as pictures."""

from metabt.report.figures import Format, write_figures
from metabt.report.page import render, write_page, write_report

__all__ = ["Format", "render", "write_figures", "write_page", "write_report"]
