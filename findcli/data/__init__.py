"""Raw tables to events, and events to user-text pairs; the one place that reads what a user's files hold.

In: the sources, profile, labels and splits that findcli.toml names. Out: one canonical event log, profiles as of a
date, sentences with their truth, and the pairs that training reads. No torch here, and nothing at or after
`train_until` reaches the training side.
"""
