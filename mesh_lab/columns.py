"""The columns of a run when it is over: one entry a request, or one a visit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .ledger import REJECTED, UNAVAILABLE

__all__ = ["Columns"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Columns:
    """The columns of a run, before anybody asks for a table.

    Each is an array with one entry a request (`source`, `made`) or one a visit (the others);
    visits are in the order in which they were offered.

    Where no request can make a second visit or be blocked, a visit is its request: then
    `own_request`, `own_sent` and `own_arrival` are None, and `request`, `sent` and `arrival` are
    worked out when asked for.

    Attributes
    ----------
    source, made
        Of a request: the index of its source, and when the source made it (seconds).
    station, endpoint, start, finish, outcome
        Of a visit: indices of the queue or service and of the replica, seconds, and the index in
        `mesh_lab.ledger.OUTCOMES`.
    worked
        The end of the work of asynchronous handlers, where there are any.
    own_end
        When each request ended, where its response takes time; None where it ends with its last
        visit.
    key
        The number of each request's key, where requests have keys.
    own_outcome
        How each request ended, where services are called; None where it ended as its last visit.
    parent, attempt, returned, result
        Of a visit that is an attempt of a call, where services are called: the row of the visit
        that made the call (-1: a source did), how many attempts of the call were before, and what
        the caller saw, and when: an index in `OUTCOMES`, seconds.
    """

    source: NDArray[np.int16]
    made: Floats
    station: NDArray[np.int16]
    endpoint: NDArray[np.int32]
    start: Floats
    finish: Floats
    outcome: NDArray[np.int8]
    own_request: NDArray[np.int64] | None = None
    own_sent: Floats | None = None
    own_arrival: Floats | None = None
    worked: Floats | None = None
    own_end: Floats | None = None
    key: NDArray[np.int32] | None = None
    own_outcome: NDArray[np.int8] | None = None
    parent: NDArray[np.int64] | None = None
    attempt: NDArray[np.int16] | None = None
    returned: Floats | None = None
    result: NDArray[np.int8] | None = None

    @property
    def request(self) -> NDArray[np.int64]:
        """The request of each visit, as its row."""
        return np.arange(len(self.made)) if self.own_request is None else self.own_request

    @property
    def sent(self) -> Floats:
        """When each visit was offered to its station."""
        return self.made if self.own_sent is None else self.own_sent

    @property
    def arrival(self) -> Floats:
        """When each visit was let in; NaN if it was turned away."""
        if self.own_arrival is not None:
            return self.own_arrival
        refused = (self.outcome == REJECTED) | (self.outcome == UNAVAILABLE)
        return np.where(refused, np.nan, self.made)

    @property
    def nbytes(self) -> int:
        """The bytes that the columns take."""
        arrays = (getattr(self, name) for name in self.__dataclass_fields__)
        return sum(array.nbytes for array in arrays if array is not None)
