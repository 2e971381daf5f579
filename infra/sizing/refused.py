"""A refusal with all of its causes, and the document `seekstack plan --json` makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infra.sizing.refusal import Miss, Reason, Refusal
from infra.sizing.result import Rejected

__all__ = ["Cause", "PlanRefusal"]


@dataclass(frozen=True, slots=True)
class Cause:
    """One of the causes; where there are several, all fixes together help."""

    code: Reason
    message: str
    fix: str


class PlanRefusal(Refusal):
    """Nothing that was allowed serves the request; the first cause is the error's own."""

    def __init__(self, misses: Sequence[Miss], *, fixes: Sequence[str], rejected: Sequence[Rejected] = ()) -> None:
        super().__init__(misses[0], fix=fixes[0], rejected=rejected)
        self.causes = tuple(Cause(miss.reason, miss.message, fix) for miss, fix in zip(misses, fixes, strict=True))

    def __str__(self) -> str:
        more = (f"also {cause.code}: {cause.message}\n    fix:     {cause.fix}" for cause in self.causes[1:])
        return "\n".join([super().__str__(), *more])

    def to_json(self) -> dict[str, object]:
        """With every cause: `seekstack check --json` has no other place for them."""
        return {**super().to_json(), "reasons": self._reasons()}

    def document(self) -> dict[str, object]:
        """The same top level as a plan's for what there is, and the error in the form of every command."""
        error = self.to_json()
        return {"fits": False, "reasons": self._reasons(), "rejected": error["rejected"], "error": error}

    def _reasons(self) -> list[dict[str, str]]:
        return [{"code": str(cause.code), "message": cause.message, "fix": cause.fix} for cause in self.causes]
