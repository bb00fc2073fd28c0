"""What the generated worlds have in common in which people change a fleet while runs are under way."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress

from admin_api.dependencies import Services
from cerberus.address_policy import AddressPolicy
from common.errors import Failure
from local.fakes.aws_services import MemoryAuditLog, MemoryCredentials, MemorySchedule, MemoryStarter
from local.fakes.runtime import TickingRuntime
from local.fakes.snapshots import MemorySnapshots
from registry.store import AlreadyRegistered, Store, VersionConflict


class ChangingFleet[Change, Work](ABC):
    """A registry and what is kept beside it. A change is what a person does, a work what the product does."""

    store: Store
    runtime: TickingRuntime
    snapshots: MemorySnapshots
    credentials: MemoryCredentials

    def play(self, steps: Sequence[Change | Work]) -> None:
        """Do all of it, and look at everything at the beginning and after each step."""
        self.check()
        for step in steps:
            self.do(step)
            self.check()

    def change(self, change: Change) -> None:
        """Change something; what the registry refuses stays as it is."""
        with suppress(AlreadyRegistered, VersionConflict, Failure):
            self.make(change)

    @abstractmethod
    def do(self, step: Change | Work) -> None:
        """Do one step of either kind."""

    @abstractmethod
    def make(self, change: Change) -> None:
        """Change something. Raises what the registry raises."""

    @abstractmethod
    def check(self) -> None:
        """Raise AssertionError if something is not as it must be at any moment."""

    @property
    def services(self) -> Services:
        """The management API's view of the fleet."""
        return Services(
            store=self.store,
            credentials=self.credentials,
            schedule=MemorySchedule(),
            starter=MemoryStarter(),
            audit=MemoryAuditLog(),
            addresses=AddressPolicy(self.runtime),
            snapshots=self.snapshots,
            runtime=self.runtime,
        )
