"""Chat messages to prompt text, by the Jinja template inside the GGUF."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NoReturn

import jinja2
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
"""For models that bring no template of their own, as llama.cpp does."""


class TemplateRefusal(ValueError):
    """The template cannot render these messages (a role it does not know, turns out of order)."""


class ChatTemplate:
    """A compiled chat template.

    The template comes with the model file and is not trusted: it runs in Jinja's sandbox.

    Parameters
    ----------
    source
        Jinja text as Hugging Face tokenisers write it.
    bos, eos
        The texts of the special tokens that templates may mention.

    Raises
    ------
    TemplateRefusal
        If the source is not valid Jinja.
    """

    def __init__(self, source: str, *, bos: str, eos: str) -> None:
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.globals["raise_exception"] = _refuse
        environment.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(form)
        self.bos = bos
        self._special = {"bos_token": bos, "eos_token": eos}
        try:
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise TemplateRefusal(f"the model's chat template is not valid: {error}") from error

    def render(self, messages: Sequence[Mapping[str, str]]) -> str:
        """Return the prompt that asks for the assistant's next turn."""
        try:
            return self._template.render(messages=messages, add_generation_prompt=True, **self._special)
        except (jinja2.TemplateError, TypeError, ValueError, LookupError, AttributeError) as error:
            raise TemplateRefusal(f"the model's chat template refuses these messages: {error}") from error


def _refuse(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)
