"""The headings under which the options of `findcli target` and its neighbours stand in their help.

Tested in tests/test_cli.py.
"""

WHO = "Who is ranked"
SIZE = "How many"
EXPERIMENT = "Experiment"
REASONS = "Reasons"
RESULT = "Result"
