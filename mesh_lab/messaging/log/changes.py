"""What becomes of the members of a consumer group, and of where they read, at given times."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Lt

from ...parts import NonNegative, Seconds, part

__all__ = ["CrashMember", "GroupChange", "JoinGroup", "LeaveGroup", "Seek"]

MOST_MEMBERS = 100_000  # of one group

Member = Annotated[int, Ge(0), Lt(MOST_MEMBERS)]


@part
class GroupChange:
    """The base of what happens to a group at a time."""

    such_as: ClassVar[str] = "CrashMember(at=10.0, member=0)"
    at: NonNegative


@part
class JoinGroup(GroupChange):
    """A member begins, or begins again after it left.

    Examples
    --------
    >>> JoinGroup(at=30.0, member=4)
    JoinGroup(at=30.0, member=4)
    """

    member: Member


@part
class LeaveGroup(GroupChange):
    """A member closes: it finishes what it has, commits, and tells the coordinator."""

    member: Member


@part
class CrashMember(GroupChange):
    """A member's process dies with what it has in hand; the coordinator is not told.

    Parameters
    ----------
    at : float
        When.
    member : int
        Which.
    restart : float, optional
        Seconds until it is there again, as a new member of the group; the coordinator waits for
        the old one until its session times out.
    """

    member: Member
    restart: Seconds | None = None


@part
class Seek(GroupChange):
    """The group reads on from somewhere else, in every partition.

    Parameters
    ----------
    at : float
        When; a member that works on records finishes them first.  The run goes on until then.
    to : "earliest", "latest" or float
        The beginning, the end, or the first record that was published at that time or later.
    """

    to: Literal["earliest", "latest"] | NonNegative
