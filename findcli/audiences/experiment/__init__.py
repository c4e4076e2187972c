"""Experiments: a part of the audience is not reached, so that what reaching the others changed can be measured.

`assign.py` says who is held out, `power.py` what the experiment can see, `lift.py` what it saw: `outcomes.py` reads
what happened, `proportions.py` compares two groups, `tenths.py` goes by tenths of the score, and `drift.py` says what
moved since.
"""
