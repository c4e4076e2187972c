"""An audience as a page: `report.py` makes one file of it, and `serve/` answers with the same parts."""
