"""How long an impatient request waits: the distributions behind Erlang A.

**One request.** It finds all c servers busy and k others waiting, moves up at rate c mu + j theta
when j are before it, and itself gives up at rate theta.  The time until it *would* be started is
the sum of exponential stages of rates c mu + j theta, j = 0 ... k.  With x = c mu/theta, exp(-theta
* stage j) is a Beta(x + j, 1) variable, and the product of these is Beta(x, k + 1).  So with
y = exp(-theta t) and I the regularised incomplete beta function

    P(would wait > t)      = I_y(x, k + 1),
    P(wait > t)            = y I_y(x, k + 1),
    P(served)              = x/(x + k + 1),
    P(wait > t and served) = P(served) I_y(x + 1, k + 1);

the last because, given that a request is not the one that leaves, each stage has theta added to its
rate.  Likewise its mean wait, given that it is served, is the sum over j <= k of
1/(c mu + (j + 1) theta).

**Started, not finished.** Integrating the density of the start, Beta(x + 1, k + 1), against the
service that is left gives P(served) * u[k], where with m = mu/theta, a = x + 1 - m and z = 1 - y

    u[k] = y**m * B(a, k + 1)/B(x + 1, k + 1) * I_z(k + 1, a)
         = d[k] + u[k+1] * (a + k + 1)/(x + k + 2),
    d[k] = y**(x+1) z**(k+1) / ((k + 1) B(x + 1, k + 1)).

The first form overflows for long queues; the second is a recursion downwards from the longest queue
that matters, of positive terms with factors of at most 1, which forgets where it began.

What a request finds is the steady state (PASTA), so everything here is a sum over k of positive
terms.  Derived here.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ._chains import stationary

__all__ = ["ImpatientQueue"]


class ImpatientQueue:
    """The chain of M/M/c with exponential patience, and what a request meets in it.

    Parameters
    ----------
    arrival, service : float
        Rates per second.
    servers : int
        One or more.
    theta : float
        1 / mean patience.
    """

    def __init__(self, arrival: float, service: float, servers: int, theta: float) -> None:
        self.service, self.theta = service, theta
        self.full = servers * service  # rate of departures while all servers are busy

        def up(n: NDArray[np.float64]) -> NDArray[np.float64]:
            above = n + 1.0
            busy, waiting = np.minimum(above, servers), np.maximum(above - servers, 0.0)
            return np.asarray(arrival / (busy * service + waiting * theta))

        likely = min(arrival / service, servers) + max(0.0, (arrival - self.full) / theta)
        self.first, self.states = stationary("erlang_a", up, start=int(likely))
        numbers = np.arange(self.first, self.first + len(self.states), dtype=np.float64)
        self.busy = float(np.dot(self.states, np.minimum(numbers, servers)))
        self.in_queue = float(np.dot(self.states, np.maximum(numbers - servers, 0.0)))
        # k: how many were waiting before the arrival; p: how often it meets them.
        meets = numbers >= servers
        self.k, self.p = numbers[meets] - servers, self.states[meets]
        self.at_once = float(self.states[~meets].sum())
        self.succeeds = self.full / (self.full + (self.k + 1.0) * theta)
        self.served = self.at_once + float(np.dot(self.p, self.succeeds))

    def mean_wait_served(self) -> float:
        """Return the mean wait of those who are served."""
        if not self.k.size:
            return 0.0
        stages = 1.0 / (self.full + (np.arange(self.k[-1] + 1.0) + 1.0) * self.theta)
        until = np.cumsum(stages)[int(self.k[0]) :]
        return float(np.dot(self.p * self.succeeds, until)) / self.served

    def waiting(self, t: float) -> float:
        """Return P(wait > t), whatever becomes of the request."""
        from scipy.special import betainc

        y = math.exp(-self.theta * t)
        return y * float(np.dot(self.p, betainc(self.full / self.theta, self.k + 1.0, y)))

    def waiting_to_be_served(self, t: float) -> float:
        """Return P(wait > t and served)."""
        from scipy.special import betainc

        y = math.exp(-self.theta * t)
        late = betainc(self.full / self.theta + 1.0, self.k + 1.0, y)
        return float(np.dot(self.p * self.succeeds, late))

    def in_service(self, t: float) -> float:
        """Return P(started by t, and not yet finished).

        The recursion of the module's theory.
        """
        at_once = self.at_once * math.exp(-self.service * t)
        if not self.k.size or t == 0.0:
            return at_once
        x, m = self.full / self.theta, self.service / self.theta
        a = x + 1.0 - m
        d, u = self._from_the_top(t, x, m, a)
        k = np.arange(len(d), dtype=np.float64)
        factors = (a + k + 1.0) / (x + k + 2.0)
        values = np.empty(len(d))
        for i in range(len(d) - 1, -1, -1):
            u = values[i] = float(d[i]) + u * float(factors[i])
        mine = values[int(self.k[0]) : int(self.k[-1]) + 1]
        return at_once + float(np.dot(self.p * self.succeeds, mine))

    def _from_the_top(
        self, t: float, x: float, m: float, a: float
    ) -> tuple[NDArray[np.float64], float]:
        """Return d[0], d[1], ... and the u that follows the last of them."""
        from scipy.special import betaincc

        log_z = math.log(-math.expm1(-self.theta * t))
        size = int(self.k[-1]) + 1
        beyond = float(betaincc(a, size + 1.0, math.exp(-self.theta * t)))
        while True:
            above = np.arange(1.0, size + 1.0)
            logs = np.cumsum(log_z + np.log1p(x / above)) - (x + 1.0) * self.theta * t
            d = np.exp(logs)
            if beyond > 1e-200:
                ratio = float(np.log1p(m / (a + np.arange(size + 1.0))).sum())
                return d, math.exp(ratio - self.service * t) * beyond
            # The closed form has underflowed: go up until the sum of what is above is nothing.
            shrinks = math.exp(log_z) * (1.0 + x / (size + 1.0))
            if shrinks < 1.0 and d[-1] * shrinks / (1.0 - shrinks) < 1e-18:
                return d, 0.0
            size = size + size // 2 + 64
