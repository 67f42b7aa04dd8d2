"""Asks whether answers depend on who a text is about: the same text, with another name, gender or nationality in it.

The ideas are Kiritchenko and Mohammad's (2018, arXiv:1805.04508: sentences that differ in the person alone) and, for
translation, Stanovsky et al.'s (2019, arXiv:1906.00591: which gender a translation gives to a profession). Sentences
and words are our own, in `words/`.
"""
