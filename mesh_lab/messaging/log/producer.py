"""The producer: batches, requests in flight, retries, and sequence numbers against duplicates.

Rules of Kafka's Java producer.  Read in its source were when a batch is ready, what waits for what
(``RecordAccumulator``) and which missing numbers are sent again (``TransactionManager.canRetry``);
recalled are KIP-98's design of idempotence and KIP-91's of the delivery timeout:

- Events of one partition are put into batches.  A batch may be sent when it is full, when `linger`
  has passed since it was begun, or when another waits behind it.
- A request takes the first batch of each partition that one broker leads.  A broker has `in_flight`
  requests of a producer at most; the batches behind them go on filling.
- With ``acks=1`` the leader answers when it has appended; with ``"all"`` when all in-sync replicas
  have; with 0 nobody answers, and an event counts as sent when it has been handed to the network.
- A request that fails, or is not answered within `request_timeout`, is sent again after
  `retry_backoff` (Kafka's pause grows, KIP-580; here it does not), or at once when the partition
  has got another leader, until `retries` are used up or `delivery_timeout` has passed since the
  batch was begun.  A lost answer is a failure too, and then the events are there twice; and with
  more than one request in flight a batch that is sent again may come behind one that was sent
  later.
- An idempotent producer numbers its events, and the leader takes them in order and once.  After a
  batch was given up, the producer begins new numbers when none is in flight (KIP-360).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Le

from ...distributions import Distribution
from ...parts import NonNegative, Probability, Seconds, SomeSeconds, part
from ..base import Many

__all__ = ["Producer"]


@part
class Producer:
    """How events are written to a log.

    Defaults are Kafka's (``ProducerConfig``), where there is one.

    Parameters
    ----------
    batch : int
        Events in a full batch.  Kafka counts 16 384 bytes: 16 events of a kilobyte.
    linger : float
        Seconds that a batch waits to become fuller.  0 was the default before Kafka 4.0, which
        made it 5 ms.
    acks : "all", 1 or 0
        Who must have an event before it is confirmed: all in-sync replicas, the leader, nobody.
    retries : int, optional
        How often a batch is sent again; without a limit if not given.
    idempotent : bool, optional
        Whether events are numbered against duplicates; if not given, as in Kafka, when `acks` is
        ``"all"`` and `in_flight` is 5 at most.
    in_flight : int
        Unanswered requests to a broker.
    request_timeout, delivery_timeout : float
        Seconds after which a request without an answer is sent again, and after which a batch is
        given up, since it was begun.
    retry_backoff : float
        Seconds before a request that failed is sent again.
    delay : float, Distribution or None
        Seconds that a request, and its answer, takes; None for no time at all.
    loss : float
        The probability that a request is lost on its way; and again, that its answer is.
    cuts : tuple of (from, until)
        Seconds between which everything that is sent, either way, is lost.

    Examples
    --------
    >>> Producer(acks=1, linger=0.0)
    Producer(linger=0.0, acks=1)
    >>> Producer(acks=1).numbers, Producer().numbers
    (False, True)
    """

    such_as: ClassVar[str] = "Producer(acks=1)"
    batch: Many = 16
    linger: Seconds = 0.005
    acks: Literal["all", 1, 0] = "all"
    retries: Annotated[int, Ge(0)] | None = None
    idempotent: bool | None = None
    in_flight: Many = 5
    request_timeout: SomeSeconds = 30.0
    delivery_timeout: SomeSeconds = 120.0
    retry_backoff: SomeSeconds = 0.1
    delay: Annotated[float, Ge(0), Le(1e100)] | Distribution | None = None
    loss: Probability = 0.0
    cuts: tuple[tuple[NonNegative, NonNegative], ...] = ()

    def __post_init__(self) -> None:
        if self.idempotent and self.acks != "all":
            raise ValueError(
                f"idempotent is True with acks={self.acks!r}; numbering needs acks='all', or a "
                "number could be confirmed and then missing"
            )
        if self.idempotent and self.in_flight > 5:
            raise ValueError(
                f"idempotent is True with in_flight={self.in_flight}; brokers remember the last 5 "
                "batches of a producer, so it may be 5 at most"
            )
        if self.delivery_timeout < self.linger + self.request_timeout:
            raise ValueError(
                f"delivery_timeout is {self.delivery_timeout:g}, but must be linger + "
                f"request_timeout = {self.linger + self.request_timeout:g} at least, or one try "
                "would not fit in"
            )
        for start, end in self.cuts:
            if not start < end:
                raise ValueError(
                    f"cuts has {(start, end)!r}, but must be (from, until), from first"
                )

    @property
    def numbers(self) -> bool:
        """Whether it is idempotent."""
        if self.idempotent is None:
            return self.acks == "all" and self.in_flight <= 5
        return self.idempotent
