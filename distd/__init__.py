"""distd: software packages onto every computer of a large site, with unmodified OCS Inventory NG agents."""

__version__ = "0.1.0"
