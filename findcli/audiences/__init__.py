"""Audiences: who of the ranked users is selected, by a sentence, a learned prompt and a filter on the profile.

In: a demand or a prompt, a filter, a selection policy. Out: a ranked audience and the file it is written to. Every
command that selects users goes through here.
"""
