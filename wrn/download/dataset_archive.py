"""Download the files of datasets."""

from pathlib import Path

from wrn.download.cached_download import map_url, mapping_from_environment
from wrn.download.http import download
from wrn.utils.files import hash_file
from wrn_base.errors import DownloadError, WrnError
from wrn_base.offline import is_offline


def fetch_archive(url: str, path: Path, md5: str) -> None:
    """Download a file of a dataset unless it exists, and verify its MD5.

    Args:
        url: The URL of the file. ``WRN_URL_MAPPING`` applies to it.
        path: The path of the file.
        md5: The expected MD5.

    Raises:
        WrnError: If the file has another MD5 or cannot be downloaded.
    """
    if path.is_file():
        if hash_file(path, 'md5') != md5:
            raise WrnError(f'{path}: wrong MD5 (expected {md5}); delete it to download it again')
        return
    fix = f'download {url} on another machine and put it into {path.parent}'
    if is_offline():
        raise WrnError(
            f'{path}: not found, and WRN_OFFLINE or HF_HUB_OFFLINE disables downloads; {fix}'
        )
    mapped = map_url(url, mapping_from_environment())
    more_space = 'set data_root in the config to another folder'
    try:
        download(mapped, path, md5, algorithm='md5', more_space=more_space)
    except DownloadError as error:
        raise WrnError(
            f'{path}: not found, and {mapped} cannot be downloaded ({error}); {fix}'
        ) from error
