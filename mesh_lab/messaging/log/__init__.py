"""The partitioned log, with the rules and defaults of Apache Kafka.

Files, from the rules to what runs them:

- `murmur`, `partitioner`: where an event goes; `assignors`: who reads what.
- `partition`: one replicated partition; `brokers`: how its replicas copy, fail and take over.
- `producer`: what a producer is told; `sender`, `wire`, `timeouts`: the producer at work.
- `log`: the part `Log`, and the log at work.
- `group`: the part `ConsumerGroup`; `coordinator`, `member`, `reading`, `offsets`: the
  group at work; `changes`: what becomes of its members.
- `lag`, `laws`: what a run tells of it, and what every run obeys.

Each file names its source, and says what was read there and what is recalled.  Simplified, besides
what the files say: sizes are counted in events; what is on disk is never lost; coordinators and
committed offsets never fail; metadata is always fresh; fetching takes no time.

A leader that fails takes with it what it had confirmed alone:

>>> import mesh_lab as ml
>>> def lost(acks):
...     scenario = ml.Scenario(
...         ml.Renewal("shop", gap=ml.Deterministic(value=1.0), to="orders"),
...         ml.Log(
...             "orders",
...             partitions=1,
...             replication=2,
...             replica_delay=0.5,
...             broker_outages=((0, 3.2, 20.0),),
...             producer=ml.Producer(linger=0.0, acks=acks),
...         ),
...         ml.ConsumerGroup("billing", source="orders", work=ml.Deterministic(value=0.1)),
...     )
...     return ml.simulate(scenario, requests=6, seed=1).lost("billing")["number"].tolist()
>>> lost(1), lost("all")
([2], [])
"""
