"""Engines: what runs a scenario.  `RULES.md` beside this file says what every engine does.

``assembly``  everything, on SimPy: the reference
``dressing``  what a source gives its requests
``needs``     what a request draws at a part
``express``   the commonest scenarios, on SimPy, in less than half the time
"""
