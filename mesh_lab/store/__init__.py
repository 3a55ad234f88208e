"""Events kept in a real database: SQLite, MySQL or MariaDB, PostgreSQL.

`EventStore` appends events to streams and reads them again; around it there are `Projection`
(tables that follow the events), `Relay` (sends them on), `Capture` (a table's changes as events),
`Snapshot` and `Subscription`.

What it promises, on each of the databases:

- **A stream has no gaps and no forks.**  Its versions are 1, 2, 3, ...; who appends to a version
  that is not the newest gets a `mesh_lab.ConflictError`.
- **All events have one order, and it becomes visible in that order.**  Positions are 1, 2, 3, ...;
  whoever has seen position n has been able to see all before it, so reading on from the last
  position misses nothing.  `transaction` says how.
- **All or nothing.**  The events of one append are kept together or not at all, whenever the
  process or the database dies.
- **What was acknowledged stays**: `append` returns after the commit (`connecting` says what that
  means on each database).

The price is that appends go one after the other, each waiting for the one before to be on the disk:
append many events at once where you can.  And there is one place that writes: one server (with as
many replicas to read from as you like), or one SQLite file on a disk of this computer, since WAL
mode does not work over a network file system (https://www.sqlite.org/wal.html).

Nothing of the simulation is imported here; SQLAlchemy is, so ``import mesh_lab`` leaves this
package alone until it is asked for.
"""

from __future__ import annotations

from .capturing import Capture
from .eventstore import EventStore
from .projecting import Projection
from .reading import Subscription
from .relaying import Relay
from .rows import Recorded
from .snapshots import Snapshot
from .transaction import Transaction

__all__ = [
    "Capture",
    "EventStore",
    "Projection",
    "Recorded",
    "Relay",
    "Snapshot",
    "Subscription",
    "Transaction",
]
