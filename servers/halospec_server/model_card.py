"""What is loaded, for ``GET /v1/models``."""

from __future__ import annotations

from halospec_server import llama
from halospec_server.decoding.engine import Engine
from halospec_server.drafters.model import ModelDrafter
from halospec_server.http import schema
from halospec_server.http.settings import ServerSettings
from halospec_server.model_files.background_hash import BackgroundHash


def describe(engine: Engine, name: str, settings: ServerSettings, checksums: BackgroundHash) -> schema.ModelCard:
    """Say what is loaded and how it is run.

    Parameters
    ----------
    name
        What the server calls its model.
    checksums
        Of the files of both models.

    Raises
    ------
    OSError
        If a model file can no longer be read.
    """
    draft = next((drafter for drafter in engine.drafters.values() if isinstance(drafter, ModelDrafter)), None)
    return schema.ModelCard(
        id=name,
        meta=schema.ModelMeta(
            target=_loaded(engine.target.model, checksums),
            draft=_loaded(draft.model, checksums) if draft else None,
            drafter=engine.default_drafter,
            drafters=["none", *engine.drafters],
            ctx_size=engine.target.n_ctx,
            parallel=engine.parallel,
            batch_size=engine.target.n_batch,
            threads=engine.target.n_threads,
            draft_threads=draft.texts.context.n_threads if draft else None,
            draft_length=None if settings.draft_length == "auto" else settings.draft_length,
            length_policy=settings.length_policy,
            llama_cpp=llama.version(),
        ),
    )


def _loaded(model: llama.Model, checksums: BackgroundHash) -> schema.LoadedModel:
    path = model.path
    return schema.LoadedModel(
        name=path.stem,
        file=path.name,
        sha256=checksums.of(path),
        size_bytes=path.stat().st_size,
        n_params=model.n_params,
    )
