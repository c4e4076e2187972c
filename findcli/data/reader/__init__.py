"""The one reader of tables: files -> a lazy frame, and what of them was decided where nothing was declared.

Columns of text files are read as text, and typed by what they are used for: ids (`ids`), times (`times`), amounts
(`numbers`). No decision lets a later row change how an earlier one reads: where two readings fit, none is taken.
"""
