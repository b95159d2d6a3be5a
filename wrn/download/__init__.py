"""Files of weights from their sources to the cache."""

from wrn.download.sources import fetch, hash_in_name, map_url, stem_without_hash

__all__ = ['fetch', 'hash_in_name', 'map_url', 'stem_without_hash']
