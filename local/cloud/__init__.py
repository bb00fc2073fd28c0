"""A cloud on one machine, to which the real template is deployed with the real SAM CLI.

MiniStack (PyPI) replaces AWS: it accepts the deployment, stores tables, secrets and logs, fires the EventBridge rule
and runs the functions as processes with the permissions of their own roles.
"""

from local.cloud.api import ManagementApi, Reply
from local.cloud.cloud import CloudFailed, LocalCloud

__all__ = ["CloudFailed", "LocalCloud", "ManagementApi", "Reply"]
