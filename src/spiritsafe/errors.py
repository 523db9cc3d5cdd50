"""What went wrong, in words that say what to do next.

Every error that we raise on purpose has a stable `code` (`room.noun`, for machines), a `hint` (the next
step, for people) and an `exit_code` (for shells): 2 usage, 3 bad input, 4 verification failed,
5 environment. The subclasses of a room live in that room; this module holds only the four families.
Imports nothing, so that anything may import it.
"""

from typing import ClassVar


class SpiritsafeError(Exception):
    """Base of what we raise on purpose. `code` stays, for machines; `hint` is the next step."""

    code: ClassVar[str] = "spiritsafe"
    exit_code: ClassVar[int] = 3

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way back from a worker process, hint included."""
        return (_rebuild, (type(self), str(self), self.hint))


def _rebuild(kind: type[SpiritsafeError], message: str, hint: str) -> SpiritsafeError:
    return kind(message, hint=hint)


class UsageError(SpiritsafeError):
    """The command was asked for something that it cannot mean."""

    code = "usage"
    exit_code = 2


class InputError(SpiritsafeError):
    """Something we were given to read is broken, missing or of another kind than it claims."""

    code = "input"
    exit_code = 3


class VerificationError(SpiritsafeError):
    """A signature, digest, proof or authorisation did not hold. Never returned as False."""

    code = "verification"
    exit_code = 4


class EnvironmentFault(SpiritsafeError):
    """The machine lacks something: a program, a library, space, a permission."""

    code = "environment"
    exit_code = 5
