"""Download the files of data sets: resumed, verified, and said clearly if that cannot be."""

from pathlib import Path

from wrn.download.http import download
from wrn.download.sources import is_offline, map_url, mapping_from_environment
from wrn.utils.errors import DownloadError, WrnError
from wrn.utils.files import hash_file


def fetch_archive(url: str, path: Path, md5: str) -> None:
    """Make sure that a file of a data set is there, and is the right one.

    Args:
        url: Where it can be downloaded; ``WRN_URL_MAPPING`` names a mirror.
        path: Where it is, or is to be put.
        md5: The MD5 that it must have.

    Raises:
        WrnError: If it is another file, or cannot be had.
    """
    if path.is_file():
        if hash_file(path, 'md5') != md5:
            raise WrnError(
                f'{path}: is not the file that it should be, since its MD5 is not {md5}; delete '
                'it to download it again'
            )
        return
    cure = f'download {url} elsewhere and put it into {path.parent}'
    if is_offline():
        raise WrnError(
            f'{path}: does not exist, and WRN_OFFLINE or HF_HUB_OFFLINE in the environment forbids '
            f'to download it; {cure}'
        )
    mapping = mapping_from_environment()
    address = map_url(url, mapping) if mapping else url
    try:
        download(
            address,
            path,
            md5,
            algorithm='md5',
            elsewhere='give another folder with data_root in the config',
        )
    except DownloadError as error:
        raise WrnError(
            f'{path}: does not exist, and {address} cannot be downloaded ({error}); {cure}'
        ) from error
