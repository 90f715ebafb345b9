"""Detect-only readers of the Gumbel watermarks that serving engines put into text.

An engine that marks text by the Gumbel rule (Aaronson 2022) picks the token with the largest u(v)^(1/p(v)), where u
is a keyed pseudo-random number of the token v and of the tokens before it. Whoever has the key and the token ids can
compute u of the tokens that were chosen; neither the model nor its probabilities are needed. Under the null
hypothesis (text that was written without this key) these numbers are independent uniforms, as long as no context is
counted twice.

    engines.vllm     vLLM's ``gumbel`` and ``dual_key_gumbel`` with the function ``philox4x32-10-v1``
    engines.sglang   SGLang's single-key and dual-key watermark with murmur3-32

Each gives a `PivotReading`: a uniform pivot r per scored token, large where the mark is. What to make of them, a
fixed-n or an anytime-valid test, is the business of the Gumbel baseline, which takes r from its own function in the
same way.

Both functions are fast mixers, not cryptography: they are read here because the engines use them.
"""

from reasonry.watermark.engines.reading import PivotReading

__all__ = ["PivotReading"]
