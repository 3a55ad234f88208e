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
"""
