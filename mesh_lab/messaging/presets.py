"""Message queues with the defaults of products.

RabbitMQ: prefetch is unlimited unless it is set, and a quorum queue has a delivery limit of 20
since version 4.0 (RabbitMQ's documentation, read).  What is redelivered more often than that is
dropped or moved (Amazon MQ's guide to quorum queues, read), which makes 21 deliveries.  An
unacknowledged event comes back when the consumer's channel is gone; that a channel is also closed
after 30 minutes without acknowledgement is not modelled.

SQS: a visibility timeout of 30 s and retention for 4 days (descriptions by third parties, read);
in a FIFO queue, deduplication for 5 minutes and order by message group (recalled).
"""

from __future__ import annotations

from typing import Any

from .queue import MessageQueue

__all__ = ["rabbitmq", "sqs", "sqs_fifo"]

_DAY = 86_400.0


def rabbitmq(name: str, **fields: Any) -> MessageQueue:
    """Return a queue with the defaults of a quorum queue of RabbitMQ 4.

    20 deliveries that came back at most, so 21 in all.  `fields` are those of a `MessageQueue`.
    A consumer of it has ``prefetch=None`` by default there.

    Examples
    --------
    >>> rabbitmq("orders")
    MessageQueue('orders', delivery_limit=21)
    """
    return MessageQueue(name, **{"delivery_limit": 21, **fields})


def sqs(name: str, **fields: Any) -> MessageQueue:
    """Return a queue with the defaults of a standard queue of SQS.

    Its order is by arrival here; SQS promises none.

    Examples
    --------
    >>> sqs("orders")
    MessageQueue('orders', visibility=30.0, ttl=345600.0)
    """
    return MessageQueue(name, **{"visibility": 30.0, "ttl": 4 * _DAY, **fields})


def sqs_fifo(name: str, **fields: Any) -> MessageQueue:
    """Return a queue with the defaults of a FIFO queue of SQS; the key is the message group.

    Examples
    --------
    >>> sqs_fifo("orders").order
    'key'
    """
    return sqs(name, **{"order": "key", "deduplication": 300.0, **fields})
