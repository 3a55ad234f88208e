"""Message queues with the defaults of products.

RabbitMQ: prefetch is unlimited unless it is set, and a quorum queue has a delivery limit of 20
since version 4.0 (RabbitMQ's documentation, read).  What is redelivered more often than that is
dropped or moved (Amazon MQ's guide to quorum queues, read), which makes 21 deliveries.  An
unacknowledged event comes back when the consumer's channel is gone; that a channel is also closed
after 30 minutes without acknowledgement is not modelled.

SQS: a visibility timeout of 30 s and retention for 4 days, in a FIFO queue deduplication for 5
minutes and one event of a message group at a time (developer guide of SQS, read).  Retention
deletes an event, also where there are dead letters, and in a standard queue its clock goes on among
them (the guide, "Setting-up dead-letter queue retention", read).
"""

from __future__ import annotations

from typing import Any

from .queue import MessageQueue

__all__ = ["rabbitmq", "sqs", "sqs_fifo"]

_DAY = 86_400.0


def rabbitmq(name: str, **fields: Any) -> MessageQueue:
    """Return a queue with the defaults of a quorum queue of RabbitMQ 4.

    20 deliveries that came back at most, so 21 in all.  `fields` are those of a `MessageQueue`.
    In RabbitMQ a consumer's prefetch has no limit by default; here it is 1, so give the `Consumer`
    ``prefetch=None`` for that.

    Examples
    --------
    >>> rabbitmq("orders")
    MessageQueue('orders', delivery_limit=21)
    """
    return MessageQueue(name, **{"delivery_limit": 21, **fields})


def sqs(name: str, **fields: Any) -> MessageQueue:
    """Return a queue with the defaults of a standard queue of SQS.

    `fields` are those of a `MessageQueue`; ``delivery_limit`` is what SQS calls maxReceiveCount.

    Notes
    -----
    Where SQS is different:

    - It promises no order; here it is by arrival.
    - It knows no negative acknowledgement.  What a `Consumer` handles badly comes back at once
      here, as if it had set the visibility timeout to 0; where yours only leaves it to time out,
      give the rest of that time as pause, as in the example.
    - What has waited for 4 days is deleted there.  Here it becomes a dead letter, if there is a
      `dead_letter` queue.  Take a ``MessageQueue("dead")`` for that, without a ttl, or its events
      will be `lost` after 4 days, and a run with ``requests=`` goes on until then.

    Examples
    --------
    >>> sqs("orders")
    MessageQueue('orders', visibility=30.0, ttl=345600.0)
    >>> from mesh_lab import Backoff  # handling takes 2 s, and what fails times out
    >>> slow = sqs("orders", backoff=Backoff(base=28.0, growth="fixed"))
    """
    return MessageQueue(name, **{"visibility": 30.0, "ttl": 4 * _DAY, **fields})


def sqs_fifo(name: str, **fields: Any) -> MessageQueue:
    """Return a queue with the defaults of a FIFO queue of SQS; the key is the message group.

    So its sources need keys, ``key=Keys(1000)``.  See `sqs` for what is different there.

    Examples
    --------
    >>> sqs_fifo("orders")
    MessageQueue('orders', visibility=30.0, ttl=345600.0, order='key', deduplication=300.0)
    """
    return sqs(name, **{"order": "key", "deduplication": 300.0, **fields})
