"""Trained models, a folder a family: `text`, `find`, `ranker`; and `align`, which trains them together.

In: pairs, texts and profiles from `findcli.data`, and the loop of `findcli.training`. Out: the run folders text,
sequence, tabular and aligned, and the modules that read them again. Families do not import each other, but all may use
`text`.
"""
