"""Finds what a translation must leave as it is: code, addresses, tags, placeholders and numbers. Knows text only."""

import re
from dataclasses import dataclass
from typing import Literal, cast

OBJECT = "\ufffc"
"""Unicode's object replacement character: stands for something that is not text."""

MARKS = "\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069"
"""Unicode's marks of the direction of writing, as a character class."""

_BASES = (
    "\u203c\u2049\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u2500-\u27bf\u2900-\u297f\u2b00-\u2bff"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
_SELECTORS = "\ufe0e\ufe0f"
_JOINED = f"{_SELECTORS}\u200d\u20e3\U000e0020-\U000e007f"
"""What follows the first character of an emoji: how it is shown, a joiner, a key's frame, the tags of a flag."""

SYMBOLS = _BASES + _JOINED
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


_LETTERS = (
    "A-Za-z\u00c0-\u10ff\u1200-\u1fff\u2c00-\u2dff\u3005-\u3007\u3041-\u30ff\u3400-\u4dbf\u4e00-\ua95f"
    "\ua980-\uabff\uf900-\ufaff\U00010000-\U0001efff\U00020000-\U0003ffff"
)
"""Of every script but Hangul, with the vowels and accents that are characters of their own."""

_HANGUL = "\u1100-\u11ff\u3131-\u318e\ua960-\ua97f\uac00-\ud7ff"
_PARTICLES = (
    "은|는|이|가|을|를|과|와|의|도|만|에|에서|에는|에서는|에도|에게|으?로|으?로는|까지|부터|하고|보다|처럼|"
    "이?나|이?라|이?라는|이?라고|이다|이며|이고|인데|입니다|이에요|예요"
)
_GOES_ON = rf"[.,;:!?]{{0,3}}[{_LETTERS}{_HANGUL}0-9/_\-=&\#~+%]"
_IN_URL = rf"{_LETTERS}0-9\-._~:/?\#\[\]@!$&'*+,;=%{{}}"
# Korean writes particles to the word before them, and so to an address.
_HANGUL_IN_URL = rf"(?:(?<=[{_HANGUL}])|(?<=_\()|(?<=[/=&_\-%.?\#@])(?!(?:{_PARTICLES})(?!{_GOES_ON})))[{_HANGUL}]"
_BRACKETS = rf"\((?:[{_IN_URL}]|{_HANGUL_IN_URL}){{0,200}}\)"
_IN_MAILBOX = rf"{_LETTERS}0-9._%+\-"
_LABEL = rf"(?:[{_LETTERS}0-9\-]|{_HANGUL_IN_URL}){{1,63}}"
_KEYCAP = r"\ufe0f?\u20e3"
_DIGITS = rf"(?:\d(?!{_KEYCAP}))++"
_CONVERSION = r"[-+\#0]*+(?:[1-9]\d{0,2}|\*)?(?:\.(?:\d{1,3}|\*)?)?(?:hh?|ll?|[qjzt])?[diouxXeEfFgGaAcspn@]"

# Every alternative is bounded, or stops at what may begin the next one, so that time grows linearly with the text.
_PROTECTED = re.compile(
    rf"""
    (?P<object>{OBJECT}) | (?P<mark>[{MARKS}])
  | (?P<symbol>(?:(?:[{_BASES}]|[0-9\#*](?={_KEYCAP}))[{_JOINED}]{{0,30}}){{1,30}} | [{SIGNS}](?:[{_SELECTORS}]|(?!\d)))
  | (?P<code>(?<!`)(?P<ticks>`{{1,3}})(?!`)[^\n{OBJECT}]{{0,300}}?[^`\n{OBJECT}](?P=ticks)(?!`))
  | (?P<url>(?<![A-Za-z0-9])(?:[A-Za-z][A-Za-z0-9+.-]{{1,15}}://|mailto:|www\.)
        (?:[{_IN_URL}]|{_HANGUL_IN_URL}|{_BRACKETS}){{0,2000}}(?:[{_LETTERS}0-9/_\-=&\#~+@$%]|{_HANGUL_IN_URL}|{_BRACKETS}))
  | (?P<email>(?<![{_IN_MAILBOX}])(?:[{_IN_MAILBOX}]{{1,64}}|(?<![{_HANGUL}])[{_HANGUL}][{_HANGUL}0-9._%+\-]{{0,63}})
        @{_LABEL}(?:\.{_LABEL}){{1,8}})
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
        (?:(?<!\d)\d{{1,3}}(?:[ \u00a0\u202f]\d{{3}}){{1,8}}+(?!\d|{_KEYCAP})(?:[.,]{_DIGITS})?
        | {_DIGITS}(?:[.,:/'’×x–−-]{_DIGITS})*+)
        (?:[ \u00a0\u202f]?(?:[%‰](?![A-Za-z0-9({{$%])|[€£¥₩]))?)
    """,
    re.VERBOSE,
)
_SIGN = re.compile(rf"[\d%{{$`@<&{OBJECT}{MARKS}{SYMBOLS}{SIGNS}]|://|www\.|mailto:")


def find_protected(text: str) -> list[Protected]:
    """The protected parts of `text` in their order; they don't overlap.

    - object: the character `OBJECT`
    - mark: one of `MARKS`
    - symbol: some of `SYMBOLS`, the keys of a telephone among them, or one of `SIGNS` that is not before a number
    - code: between one to three backticks on one line
    - url, email: without the punctuation that follows them, and without a Korean particle, unless it is written to
      Hangul, of which it can't be told
    - tag, entity: of HTML or XML
    - placeholder: of printf (`%s`, `%1$s`, `%(name)s`) and Qt (`%1`), in braces (`{name}`, `{0}`, `{{name}}`,
      `${name}`), and `$name`
    - number: with separators, sign, percent or currency; also decimals, dates, times, ranges, versions. Letters that
      follow are not part of it.
    """
    if _SIGN.search(text) is None:
        return []
    return [Protected(match.start(), match.end(), cast("Kind", match.lastgroup)) for match in _PROTECTED.finditer(text)]
