"""Who may be ranked at all, decided before anybody is scored.

`consent.py` reads who agreed to a purpose and who objects, `listed.py` whom a file or a learned prompt names; `who.py`
puts them together; `counts.py` counts from everybody down to the audience.
"""
