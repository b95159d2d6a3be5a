"""Read the parts of a form, in memory."""

from python_multipart.multipart import DEFAULT_MAX_HEADER_SIZE
from starlette.datastructures import FormData
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from wrn.app.refusal import Refusal
from wrn_base.errors import count

_PART_BYTES = 4096  # of a part that is not a file


class _InMemoryParser(MultiPartParser):
    """starlette's parser without files on the disk. The size of a request is limited elsewhere."""

    spool_max_size = 0  # it is unlimited


async def read_form(request: Request, most: int) -> FormData:
    """Read the parts of a form.

    Args:
        request: A request with a form.
        most: The largest number of files.

    Raises:
        Refusal: If there are more files (413), or the form is damaged (400).
    """
    parser = _InMemoryParser(
        request.headers, request.stream(), max_files=most, max_fields=1, max_part_size=_PART_BYTES
    )
    try:
        return await parser.parse()
    except MultiPartException as error:
        if 'Too many files' in error.message:
            problem = f'the request has more than {count(most, "image")}; send fewer'
            raise Refusal(413, problem) from error
        reason = str(error.__cause__ or error.message)
        if 'header size' in reason:
            raise Refusal(
                400,
                f'the form: the header of a part has more than {DEFAULT_MAX_HEADER_SIZE} bytes; '
                'send a shorter file name',
            ) from error
        raise Refusal(400, f'the form is damaged ({reason}); send it again') from error
