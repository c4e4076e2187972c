"""Handing an audience on: to people as a table, and to advertising platforms as hashed contacts.

In: the users of an audience, and the table of contacts that [contacts] names, read here and nowhere else. Out: a file.
"""
