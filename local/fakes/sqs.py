"""An SQS queue that invokes a function, in memory.

The function receives messages in batches. A message stays in the queue, invisible for some time, until an invocation
has finished it. A message that was received too often goes to the dead-letter queue. Source: Amazon SQS Developer
Guide, "Amazon SQS visibility timeout" and "Using dead-letter queues".
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass
class QueuedMessage:
    """A message in the queue. Before ``visible_at``, in seconds of the simulation, it is not delivered."""

    id: str
    body: str
    visible_at: float = 0.0
    receives: int = 0


class FakeSqs:
    """A queue. ``refused`` is how many of the next messages it rejects."""

    BATCH_SIZE = 10

    def __init__(self, *, visibility: float, most_receives: int) -> None:
        self.messages: list[QueuedMessage] = []
        self.dead_letters: list[QueuedMessage] = []
        self.refused = 0
        self._visibility = visibility
        self._most_receives = most_receives
        self._sent = 0

    def send_message_batch(self, *, QueueUrl: str, Entries: Sequence[Mapping[str, str]]) -> dict[str, Any]:  # noqa: N803, ARG002 - boto3's names
        """Queue messages; the reply lists the rejected ones."""
        refused, self.refused = self.refused, max(0, self.refused - len(Entries))
        for entry in Entries[refused:]:
            self._sent += 1
            self.messages.append(QueuedMessage(f"message-{self._sent}", entry["MessageBody"]))
        failed = [{"Id": entry["Id"], "Code": "InternalError"} for entry in Entries[:refused]]
        return {"Failed": failed} if failed else {}

    def receive(self, now: float) -> list[QueuedMessage]:
        """Deliver the next visible messages. They become invisible."""
        for message in [one for one in self.messages if one.visible_at <= now and one.receives >= self._most_receives]:
            self.messages.remove(message)
            self.dead_letters.append(message)
        batch = [one for one in self.messages if one.visible_at <= now][: self.BATCH_SIZE]
        for message in batch:
            message.visible_at = now + self._visibility
            message.receives += 1
        return batch

    def finish(self, batch: Iterable[QueuedMessage], failed: Iterable[str]) -> None:
        """End a delivery: messages are removed, except those whose id is in ``failed``.

        These stay invisible until their time-out ends, as Lambda leaves them.
        """
        again = set(failed)
        for message in batch:
            if message.id not in again and message in self.messages:
                self.messages.remove(message)
