"""Tokens that steer a model, which no text may write, told apart from tokens that are text.

Both are among the tokens that a tokenizer has beside its learned pieces, and not all that steer are called special there
(Qwen 3: `</think>`). Others are text of their own: line breaks, runs of spaces and HTML tags (Gemma 3), words of a
language that was added. What steers is told by its form, a name in brackets that is no HTML element.
"""

from __future__ import annotations

import re
from typing import Any

_MARKER = re.compile(r"<[^<>\s]+>|\[[^\[\]\s]+\]")
# Elements of text in the HTML standard (https://html.spec.whatwg.org/#toc-semantics), and those that pages still have.
_ELEMENT = re.compile(
    r"</?(?:"
    r"a|abbr|acronym|address|article|aside|b|bdi|bdo|big|blockquote|body|br|button|caption|center|cite|code|col"
    r"|colgroup|dd|del|details|dfn|div|dl|dt|em|fieldset|figcaption|figure|font|footer|form|h1|h2|h3|h4|h5|h6|head"
    r"|header|hr|html|i|iframe|img|input|ins|kbd|label|legend|li|link|main|map|mark|menu|meta|nav|ol|option|p|pre"
    r"|q|rp|rt|ruby|s|samp|script|section|select|small|span|strike|strong|style|sub|summary|sup|table|tbody|td"
    r"|textarea|tfoot|th|thead|time|title|tr|tt|u|ul|var"
    r")/?>",
    re.IGNORECASE,
)


def is_control(token: str) -> bool:
    """Whether a token beside the learned pieces steers a model: `<think>`, `<|im_start|>`, `[INST]`; not `<b>`, `\\n\\n`."""
    return bool(_MARKER.fullmatch(token)) and not _ELEMENT.fullmatch(token)


def make_control_tokens_special(tokenizer: Any) -> None:
    """So that encode() splits what text writes of them, and a decoder leaves them out of what a model wrote."""
    from tokenizers import AddedToken

    plain = [added for added in tokenizer.added_tokens_decoder.values() if not added.special]
    steering = [added for added in plain if is_control(added.content)]
    tokens = [AddedToken(added.content, special=True, normalized=added.normalized) for added in steering]
    if tokens:
        tokenizer.add_tokens(tokens, special_tokens=True)
