"""How events travel: queues, topics and partitioned logs, with what is lost and doubled."""
