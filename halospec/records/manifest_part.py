"""What the parts of a manifest have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class ManifestPart(BaseModel):
    """A value that a manifest is made of."""

    model_config = ConfigDict(frozen=True)
