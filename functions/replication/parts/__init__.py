"""All parts, in the order of writing.

==================  ==================================  ===============================  ===========================
part                read by                             written by                       remarks
==================  ==================================  ===============================  ===========================
settings            GetConfiguration                    SaveConfiguration                keep patterns hold here
authentication      GetAuthenticationList               SetAuthenticationList            order counts; not everywhere
accounts            GetProfiles, GetGroups              SaveProfiles                     one call writes both
event_rules         GetEventRules                       SetEventRules                    need accounts; not everywhere
mime_mappings       GetMimeMappings                     SaveMimeMappings                 a set by extension
ip_block_lists      GetIPBlockList, GetAutoBlockList    SaveBlockList                    the automatic list if chosen
account_requests    GetRequestedAccounts                SetRequestedAccounts
listeners           GetInterfaceList                    ModifyInterface, CommitSettings  off unless chosen
==================  ==================================  ===============================  ===========================

"Not everywhere": some editions of Cerberus do not have the part.
"""

from typing import Any

from replication.model import PartName
from replication.parts.accounts import Accounts, AccountsPart
from replication.parts.base import Document, Part
from replication.parts.ip_block_lists import IpBlockLists
from replication.parts.listeners import ListenersPart
from replication.parts.mime_mappings import MimeMappings
from replication.parts.settings import Settings
from replication.parts.single_documents import AccountRequests, AuthenticationPart, EventRules

# The state types differ, hence ``Any``. A state is only ever passed to the part that read it.
PARTS: tuple[Part[Any], ...] = (
    Settings(),
    AuthenticationPart(),
    AccountsPart(),
    EventRules(),
    MimeMappings(),
    IpBlockLists(),
    AccountRequests(),
    ListenersPart(),
)
assert tuple(part.name for part in PARTS) == tuple(PartName), "every part has its place in the order of writing"  # noqa: S101

__all__ = ["PARTS", "Accounts", "Document", "Part", "PartName"]
