"""Audiences: which users a sentence, a learned prompt and a filter on the profile select.

In: a demand or a prompt, a filter, a selection policy. Out: a ranked audience, and the file it is written to. Every
command that selects users goes through here.
"""
