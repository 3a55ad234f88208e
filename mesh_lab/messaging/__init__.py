"""Delivery: how an event travels from its source to its handlers, and what happens on the way.

A `MessageQueue` keeps events until a `Consumer` has acknowledged them; a `Topic` gives a copy to
every queue that is bound to it.  What can go wrong on the way (a `Link` that drops, doubles and
delays, consumers and brokers that go down) and what is done about it (acknowledgement, redelivery
with a `Backoff`, dead letters and their `Redrive`, deduplication) are parts and fields of these.
A `Log` (`mesh_lab.messaging.log`) keeps events for whoever reads them, each `ConsumerGroup` from
its own offsets.  Every event, subscriber and attempt has a row in `mesh_lab.Run.deliveries`.
"""
