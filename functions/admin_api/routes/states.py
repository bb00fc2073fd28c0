"""The history of the primary: its states that are kept, and how they differ."""

from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Query

from admin_api import views
from admin_api.comparing import difference_of
from admin_api.dependencies import Injected
from admin_api.parameters import DigestParameter, Limit, NextRuns
from admin_api.request import page_token, read_page_token
from admin_api.routing import new_router
from admin_api.schemas import DIGEST_PATTERN, DifferenceView, StatePage
from registry.models import RUN_ID

router = new_router()


@router.get("/primary/states", summary="The primary's states", tags=["primary"], operation_id="listStates")
def list_states(services: Injected, limit: Limit = 50, next: NextRuns = None) -> StatePage:  # noqa: A002 - the parameter's name
    """Every state of the primary that a run has read and that is still kept, newest first.

    One that came back after another is listed once for each time.
    """
    states = services.store.states(limit=limit + 1, before=read_page_token(next, RUN_ID))
    return StatePage(
        states=[views.state_view(state) for state in states[:limit]],
        next=page_token(states[limit - 1].first_run_id) if len(states) > limit else None,
    )


@router.get(
    "/primary/states/<digest>/diff",
    summary="How two states differ",
    tags=["primary"],
    operation_id="compareStates",
)
def compare_states(
    digest: DigestParameter,
    services: Injected,
    to: Annotated[
        str | None,
        Query(pattern=DIGEST_PATTERN, description="The other one; without it, what the primary holds now."),
    ] = None,
) -> DifferenceView:
    """What became of the state with this digest: as in a plan, and nothing that looks like a secret is shown."""
    return difference_of(digest, to, services)
