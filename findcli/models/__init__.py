"""Trained models, one folder per family: `text`, `find` and `ranker`; `align` trains them together.

In: pairs, texts and profiles from `findcli.data`, and the loop of `findcli.training`. Out: the run folders text,
sequence, tabular and aligned, and the modules that load them. Families do not import each other; all may use `text`.
"""
