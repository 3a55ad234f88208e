"""Delivery: how an event travels from its source to its handlers, and what happens on the way.

A `MessageQueue` keeps events until a `Consumer` has acknowledged them; a `Topic` gives a copy to
every queue that is bound to it.  What can go wrong on the way (a `Link` that drops, doubles and
delays, consumers and brokers that go down) and what is done about it (acknowledgement, redelivery
with a `Backoff`, dead letters and their `Redrive`, deduplication) are parts and fields of these.
A `Log` (`mesh_lab.messaging.log`) keeps events for whoever reads them, each `ConsumerGroup` from
its own offsets.  Every event, subscriber and attempt has a row in `mesh_lab.Run.deliveries`.

>>> import mesh_lab as ml
>>> def handled(**how):
...     scenario = ml.Scenario(
...         ml.Renewal("shop", gap=ml.Deterministic(value=1.0), to="orders"),
...         ml.MessageQueue("orders", visibility=5.0),
...         ml.Consumer(
...             "billing",
...             source="orders",
...             work=ml.Deterministic(value=0.5),
...             outages=((3.25, 4.0), (6.25, 7.0)),
...             link=ml.Link(drop=0.2),
...             **how,
...         ),
...     )
...     run = ml.simulate(scenario, requests=100, seed=1)
...     return run.delivery_report()[["once", "doubled", "lost"]].to_dict("index")["orders"]
>>> handled(ack="before")  # at most once
{'once': 73, 'doubled': 0, 'lost': 27}
>>> handled(ack="after")  # at least once
{'once': 72, 'doubled': 28, 'lost': 0}
>>> handled(ack="after", deduplication="forever")  # effectively once
{'once': 100, 'doubled': 0, 'lost': 0}
"""
