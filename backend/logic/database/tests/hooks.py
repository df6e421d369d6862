"""What Schemathesis cannot know of the tables' queries, since JSON Schema cannot say it."""

from typing import Any

import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, HookContext

from backend.logic.database.filters import MAX_CONDITIONS
from backend.logic.database.query import OPTIONS

schemathesis.openapi.format("date-time-local", st.datetimes().map(lambda moment: moment.isoformat()))


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:  # noqa: ARG001  its interface
    """Leave out of a query that is to be accepted what does not go together."""
    if case.meta and case.meta.generation.mode.is_positive and case.query:
        tested = getattr(case.meta.phase.data, "parameter", None)
        case.query = together(case.query, tested)


def together(query: dict[str, Any], tested: str | None) -> dict[str, Any]:
    """Return what goes together of a query; with the parameter that is tested, if there is one."""
    # Both have a grammar of their own, which other tests try.
    left_out = {"or", "next"}
    if "compute" in query and tested not in ("select", "sort"):
        left_out |= {"select", "sort"}  # of the computed numbers, whose names depend on the rest
    else:
        left_out |= {"compute", "group_by"}
    conditions = sorted(query.keys() - set(OPTIONS), key=lambda name: (name != tested, name))
    left_out |= set(conditions[MAX_CONDITIONS:])
    return {name: value for name, value in query.items() if name not in left_out}
