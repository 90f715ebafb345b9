"""Codes of text: quantiser, codec, its training, its folder, and whole data sets read into codes."""
