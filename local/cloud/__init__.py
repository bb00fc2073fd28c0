"""A cloud on one machine, into which the real template is deployed with the real SAM CLI.

MiniStack (PyPI) stands in for AWS: it takes the deployment, keeps tables,
secrets and logs, fires the EventBridge rule and runs the functions as
processes, with the permissions of their own roles enforced.
"""

from local.cloud.api import ManagementApi, Reply
from local.cloud.cloud import CloudFailed, LocalCloud

__all__ = ["CloudFailed", "LocalCloud", "ManagementApi", "Reply"]
