"""Download files of weights and datasets: verified, resumed, cached.

In: URLs and ``hf://`` addresses. Out: the path of a complete file. Open ``cached_download`` first,
which gets weights. ``dataset_archive`` gets datasets. ``http`` and ``hugging_face`` transfer the
bytes, and ``progress_bar`` shows it. ``http_client`` makes one request, over a ``connection`` with
limits.
"""

from wrn.download.cached_download import fetch, hash_in_name, map_url, stem_without_hash

__all__ = ['fetch', 'hash_in_name', 'map_url', 'stem_without_hash']
