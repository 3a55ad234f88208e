"""Engines: what runs a scenario.  `RULES.md` beside this file says what every engine does.

``assembly``  everything, on SimPy: the reference
``dressing``  what a source gives its requests
``needs``     what a request draws at a part
``express``   the commonest scenarios, on SimPy, in less than half the time
``compiled``  most scenarios of one queue or service, compiled by numba
``keys``      the keys of requests, and their hashes
"""
