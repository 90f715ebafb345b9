"""Secret keys: what they are, the private ring they are kept in, and which of them this process may sign with."""

from reasonry.watermark.keys.secret import SecretKey, describe_key_id, parse_secret

__all__ = ["SecretKey", "describe_key_id", "parse_secret"]
