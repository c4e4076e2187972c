"""How people and programs write that a value is missing.

Tested in tests/data/reader/test_cells.py.
"""

# "None" is an item and NA is Namibia: among words, only what no one would write is missing.
IN_WORDS = ("", "\\N")
IN_DATA = (*IN_WORDS, "-", "NA", "N/A", "n/a", "#N/A", "<NA>", "NULL", "Null", "null", "None", "nan", "NaN", "NaT")
