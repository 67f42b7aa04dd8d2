"""Finds what a translation must leave as it is: code, addresses, tags, placeholders and numbers. Knows text only."""

import re
from dataclasses import dataclass
from typing import Literal, cast

OBJECT = "\ufffc"
"""Unicode's object replacement character: stands for something that is not text."""

MARKS = "\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069"
"""Unicode's marks of the direction of writing, as a character class."""

SYMBOLS = "\u2190-\u21ff\u2300-\u23ff\u2500-\u27bf\u2900-\u297f\u2b00-\u2bff\U0001f000-\U0001faff"
"""Arrows, signs, frames and emoji, as a character class."""

SIGNS = "\u00a2-\u00a5\u00a7\u00a9\u00ae\u20a0-\u20cf\u2122"
"""Signs of currencies, and § © ® ™, as a character class; the model has no piece for most of them."""

Kind = Literal["mark", "symbol", "code", "url", "email", "tag", "entity", "placeholder", "number", "object"]


@dataclass(frozen=True, slots=True)
class Protected:
    """A part of a text that must not change, from character `begin` to before `end`."""

    begin: int
    end: int
    kind: Kind


_IN_URL = r"A-Za-z0-9\u00c0-\u024f\-._~:/?\#\[\]@!$&'*+,;=%{}"
_CONVERSION = r"[-+\#0]*+(?:[1-9]\d{0,2}|\*)?(?:\.(?:\d{1,3}|\*)?)?(?:hh?|ll?|[qjzt])?[diouxXeEfFgGaAcspn@]"

# Every alternative is bounded, or stops at what may begin the next one, so that time grows linearly with the text.
_PROTECTED = re.compile(
    rf"""
    (?P<object>{OBJECT}) | (?P<mark>[{MARKS}])
  | (?P<symbol>[{SYMBOLS}][{SYMBOLS}\ufe0f\u200d]{{0,30}} | [{SIGNS}](?!\d))
  | (?P<code>(?<!`)(?P<ticks>`{{1,3}})(?!`)[^\n{OBJECT}]{{0,300}}?[^`\n{OBJECT}](?P=ticks)(?!`))
  | (?P<url>(?<![A-Za-z0-9])(?:[A-Za-z][A-Za-z0-9+.-]{{1,15}}://|mailto:|www\.)
        (?:[{_IN_URL}]|\([{_IN_URL}]{{0,200}}\)){{0,2000}}(?:[A-Za-z0-9\u00c0-\u024f/_\-=&\#~+@$%]|\([{_IN_URL}]{{0,200}}\)))
  | (?P<email>(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{{1,64}}@[A-Za-z0-9-]{{1,63}}(?:\.[A-Za-z0-9-]{{1,63}}){{1,8}})
  | (?P<tag></?[A-Za-z][\w:.-]{{0,60}}
        (?:[ \t]+[\w:@.-]{{1,60}}=(?:"[^"<>\n{OBJECT}]*+"|'[^'<>\n{OBJECT}]*+'|[^\s"'<>{OBJECT}]++))*+[ \t]*+/?>)
  | (?P<entity>&(?:[A-Za-z][A-Za-z0-9]{{1,31}}|\#\d{{1,7}}|\#[xX][0-9A-Fa-f]{{1,6}});)
  | (?P<placeholder>
        \{{\{{[^{{}}\n{OBJECT}]{{0,100}}\}}\}}                             # {{{{name}}}}
      | \{{%[^{{}}\n{OBJECT}]{{1,100}}%\}}                               # {{% if name %}}
      | [$\#%]?\{{(?:[^{{}}\s{OBJECT}]{{0,100}}|[\w.-]{{1,60}}(?:,[ ]?\w{{1,30}}){{1,2}})\}}   # {{name}}, {{0, number}}
      | %(?:\(\w{{1,100}}\)|\d{{1,2}}\$){_CONVERSION}                      # %(name)s, %1$s
      | %{_CONVERSION}(?![A-Za-z\u00c0-\u024f]) | %% | %L?\d{{1,2}}                     # %s, %5.2f, %1
      | \$[A-Za-z_][A-Za-z0-9_]{{0,100}}                                   # $name
    )
  | (?P<number>(?:(?<![\w%)\]}}])[-+−±])?[$€£¥₩]?
        (?:(?<!\d)\d{{1,3}}(?:[ \u00a0\u202f]\d{{3}}){{1,8}}+(?!\d)(?:[.,]\d++)?|\d++(?:[.,:/'’×x–−-]\d++)*+)
        (?:[ \u00a0\u202f]?(?:[%‰](?![A-Za-z0-9({{$%])|[€£¥₩]))?)
    """,
    re.VERBOSE,
)
_SIGN = re.compile(rf"[\d%{{$`@<&{OBJECT}{MARKS}{SYMBOLS}{SIGNS}]|://|www\.|mailto:")


def find_protected(text: str) -> list[Protected]:
    """The protected parts of `text` in their order; they don't overlap.

    - object: the character `OBJECT`
    - mark: one of `MARKS`
    - symbol: some of `SYMBOLS`, or one of `SIGNS` that is not before a number
    - code: between one to three backticks on one line
    - url, email: without the punctuation that follows them
    - tag, entity: of HTML or XML
    - placeholder: of printf (`%s`, `%1$s`, `%(name)s`) and Qt (`%1`), in braces (`{name}`, `{0}`, `{{name}}`,
      `${name}`), and `$name`
    - number: with separators, sign, percent or currency; also decimals, dates, times, ranges, versions. Letters that
      follow are not part of it.
    """
    if _SIGN.search(text) is None:
        return []
    return [Protected(match.start(), match.end(), cast("Kind", match.lastgroup)) for match in _PROTECTED.finditer(text)]
