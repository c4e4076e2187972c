"""From a marketer's words to sentences of the training language: what a demand asks for, and how sure that reading is.

In: a demand, and the vocabulary of the users to rank. Out: a reading, which is sentences joined by any, all and not,
with notes on what was not understood. No user is scored here.
"""
