"""One Transformer that holds K experts: the construction behind the representation theorem, with its weights."""
