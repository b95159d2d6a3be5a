"""Results are replaced only if the user says so, whoever writes them."""

import os
from pathlib import Path

import pytest

from wrn.results.partial_file import PartialFile
from wrn.results.record import Record
from wrn.utils.existing import check_free
from wrn.utils.files import write_atomically, write_with_hash
from wrn_base.errors import WrnError

SENTENCE = 'exists; add --overwrite to replace it, or choose another path'


def test_the_sentence(tmp_path):
    file = tmp_path / 'a.csv'
    check_free(file)
    file.touch()
    for path in (file, tmp_path):
        with pytest.raises(WrnError) as caught:
            check_free(path)
        assert str(caught.value) == f'{path}: {SENTENCE}'
        check_free(path, overwrite=True)
    with pytest.raises(WrnError, match='replace it, --resume to complete its run, or choose'):
        check_free(file, resumable=True)


def test_devices_and_pipes_are_free(tmp_path):
    """Here, standard output is a file, as in a redirection."""
    os.mkfifo(tmp_path / 'pipe')
    for path in ('/dev/null', '/dev/stdout', tmp_path / 'pipe', tmp_path / 'none'):
        check_free(path)


def test_a_link_to_a_file_is_not_free(tmp_path):
    (tmp_path / 'file').touch()
    (tmp_path / 'link').symlink_to('file')
    (tmp_path / 'dangling').symlink_to('none')
    with pytest.raises(WrnError, match='link: exists'):
        check_free(tmp_path / 'link')
    check_free(tmp_path / 'dangling')


def test_files(tmp_path):
    file = tmp_path / 'new' / 'folder' / 'a'
    with write_atomically(file, overwrite=False) as content:
        content.write(b'1')
    with pytest.raises(WrnError, match=SENTENCE), write_atomically(file, overwrite=False):
        pass
    with write_atomically(file) as content:
        content.write(b'2')
    assert file.read_bytes() == b'2'


def test_a_file_that_appears_during_the_work(tmp_path):
    file = tmp_path / 'a'
    with pytest.raises(WrnError, match=SENTENCE), write_atomically(file, overwrite=False):
        file.write_bytes(b'theirs')
    assert file.read_bytes() == b'theirs'
    assert [*tmp_path.iterdir()] == [file]


def test_files_with_a_hash(tmp_path):
    def write(path):
        path.write_bytes(b'x')

    file = write_with_hash(tmp_path, 'a', '.pth', write)
    with pytest.raises(WrnError, match=f'{file}: {SENTENCE}'):
        write_with_hash(tmp_path, 'a', '.pth', write)
    assert write_with_hash(tmp_path, 'a', '.pth', write, overwrite=True) == file


def run(out, stop=False, parts=(), **options):
    """Classify two images into a file of their names."""

    def write(path, records):
        Path(path).write_text(' '.join(record['img_path'] for record in records))

    results = PartialFile(out, dict(command='x', model='m'), write, parts, **options)
    with results.resumed(['a', 'b']) as rest:
        for name in rest:
            if stop and name == 'b':
                raise KeyboardInterrupt
            results.add([Record(img_path=name)])
    return results


def test_results_that_an_interrupted_run_left(tmp_path):
    """The partial file is resumed; the file that it becomes is a result like any other."""
    out = tmp_path / 'new' / 'x.csv'
    with pytest.raises(KeyboardInterrupt):
        run(out, stop=True)
    run(out)
    assert out.read_text() == 'a b'
    with pytest.raises(WrnError, match=f'{out}: {SENTENCE}'):
        run(out)
    assert [*out.parent.iterdir()] == [out]  # it was refused before anything was written
    out.write_text('old')
    with pytest.raises(KeyboardInterrupt):
        run(out, stop=True, overwrite=True)
    assert out.read_text() == 'old'
    run(out, overwrite=True)
    assert out.read_text() == 'a b'


def test_a_process_of_a_job_may_write_its_file_again(tmp_path):
    """The job is started again until all processes are done, twice here."""
    parts = [tmp_path / 'x.0-of-2.csv', tmp_path / 'x.1-of-2.csv']
    run(parts[0], parts=parts)
    with pytest.raises(KeyboardInterrupt):
        run(parts[1], parts=parts, stop=True)
    for _ in range(2):
        run(parts[0], parts=parts)
    run(parts[1], parts=parts)
    assert sorted(tmp_path.iterdir()) == parts
    with pytest.raises(WrnError, match=SENTENCE):
        run(parts[0], parts=parts)
