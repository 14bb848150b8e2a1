from __future__ import annotations

import datetime

import pytest

from halospec_server.http.chat_template import CHATML, ChatTemplate, TemplateRefusal


def render(source: str, *messages: tuple[str, str], bos: str = "<s>") -> str:
    return ChatTemplate(source, bos=bos, eos="</s>").render([{"role": r, "content": c} for r, c in messages])


def test_chatml_asks_for_the_assistants_turn() -> None:
    assert render(CHATML, ("system", "Be brief."), ("user", "Hi")) == (
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_template_knows_the_special_tokens_and_the_date() -> None:
    assert render("{{ bos_token }}|{{ eos_token }}") == "<s>|</s>"
    assert render("{{ strftime_now('%Y') }}") == str(datetime.datetime.now().astimezone().year)


def test_block_lines_leave_no_blank_lines_and_loops_can_break() -> None:
    source = "{% for m in messages %}\n  {% if loop.index > 1 %}{% break %}{% endif %}\n{{ m.role }}|{% endfor %}"
    assert render(source, ("user", ""), ("user", "")) == "user|"


def test_messages_are_data_and_never_template_text() -> None:
    assert render("{{ messages[0].content }}", ("user", "{{ 7 * 7 }}<b>&")) == "{{ 7 * 7 }}<b>&"


def test_raise_exception_refuses_with_the_templates_own_words() -> None:
    with pytest.raises(TemplateRefusal, match="turns must alternate"):
        render("{{ raise_exception('turns must alternate') }}", ("user", "Hi"))


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ messages.__class__.__base__.__subclasses__() }}",
        "{{ raise_exception.__globals__['__builtins__'] }}",
        "{{ strftime_now.__globals__['datetime'] }}",
        "{{ (''|attr('__class__')|attr('__mro__'))[1] }}",
        "{{ messages.append({'role': 'user', 'content': 'more'}) }}",
        "{{ '{0.__class__.__mro__}'.format('') }}",
    ],
)
def test_the_sandbox_lets_a_template_out_nowhere(source: str) -> None:
    with pytest.raises(TemplateRefusal):
        render(source, ("user", "Hi"))


@pytest.mark.parametrize("source", ["{% include '/etc/passwd' %}", "{% import 'os' as os %}"])
def test_a_template_reaches_no_file(source: str) -> None:
    with pytest.raises((TemplateRefusal, TypeError)):
        render(source, ("user", "Hi"))


def test_a_template_that_is_not_jinja_is_refused_when_it_is_loaded() -> None:
    with pytest.raises(TemplateRefusal, match="not valid"):
        ChatTemplate("{% for %}", bos="", eos="")
