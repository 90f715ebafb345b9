"""Facts about subjects: as files have them, and made-up ones for the experiments of out-of-context reasoning.

`fact` has a fact and a table of them, `read` the files that people have, `words` and `names` the lists that made-up
facts are drawn from, `presets` the data sets, `generate` draws them, `named` is the way in by name
(``facts:city-language:shift``).
"""
