"""Engines: what runs a scenario.  `RULES.md` beside this file says what every engine does.

``assembly``  everything, on SimPy: the reference
``express``   the commonest scenarios, on SimPy, three times quicker
"""
