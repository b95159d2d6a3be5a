"""The page of a report in a real browser, opened as a file."""

import base64
import re

import numpy as np
import pytest
from browser import Browser
from report_content import HOSTILE, make_content
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from wrn.report.number_text import cut
from wrn.report.page import render_page

pytestmark = [pytest.mark.slow, pytest.mark.ci]

DIGITS = [str(digit) for digit in range(10)]
SIZES = {'wide': (1280, 900), 'phone': (390, 844)}


@pytest.fixture(params=SIZES)
def size(request):
    return SIZES[request.param]


@pytest.fixture
def browser(size):
    with Browser(*size) as browser:
        yield browser
        assert browser.console_errors() == []
        assert browser.outside_requests('') == []
        assert not browser.scrolls_sideways()
        assert browser.driver.execute_script('return window.hacked') is None


@pytest.fixture
def open_page(tmp_path, browser):
    """A function that writes the page of a content, and opens it."""

    def open_page(content):
        path = tmp_path / 'index.html'
        path.write_text(render_page(content), encoding='utf-8')
        browser.driver.get(path.as_uri())
        return browser

    return open_page


def find(browser, selector):
    return browser.driver.find_elements(By.CSS_SELECTOR, selector)


def find_cell(browser, label, predicted):
    selector = f'#matrix [data-true="{label}"][data-predicted="{predicted}"]'
    (cell,) = find(browser, selector)
    browser.driver.execute_script(
        'arguments[0].scrollIntoView({block: "center", inline: "center"})', cell
    )
    return cell


def most_confused(content):
    mistakes = content.report.confusion.copy()
    np.fill_diagonal(mistakes, 0)
    return tuple(map(int, np.unravel_index(mistakes.argmax(), mistakes.shape)))


def shown_sources(browser, selector):
    return [image.get_attribute('src') for image in find(browser, selector)]


def to_url(jpeg):
    return 'data:image/jpeg;base64,' + base64.b64encode(jpeg).decode()


def test_click_on_a_cell_shows_its_images(open_page):
    content = make_content(DIGITS, 300, 0.2, shown=100)
    browser = open_page(content)
    label, predicted = most_confused(content)
    find_cell(browser, label, predicted).click()
    keys = content.cells[label, predicted]
    expected = [to_url(content.images[key].thumbnail) for key in keys]
    assert shown_sources(browser, '#cell .thumbnail') == expected
    head, note = (find(browser, f'#cell > {tag}')[0].text for tag in ('h3', 'p'))
    assert head == f'True class {label}, predicted {predicted}'
    number = content.report.confusion[label, predicted]
    assert note == f'{len(keys)} of {number} images shown.'
    assert find(browser, '#cell .label')[0].text == f'wrong true: {label}'
    widths = [image.get_property('naturalWidth') for image in find(browser, '#cell .thumbnail')]
    assert set(widths) == {48}

    content.cells = {}
    browser = open_page(content)
    find(browser, '.confusions button')[0].send_keys(Keys.ENTER)
    assert f'0 of {number} images shown: the number of images' in find(browser, '#cell > p')[0].text
    content.images, content.embedding = {}, None
    browser = open_page(content)
    find_cell(browser, label, predicted).click()
    assert find(browser, '#cell > p')[0].text.endswith('this report has no images.')


@pytest.mark.parametrize('word', ['specimen ', '\N{LEOPARD}'], ids=['ascii', 'emoji'])
def test_the_script_cuts_names_as_the_page_does(open_page, word):
    names = [f'{word * 7}{i:03}' for i in range(3)] + [f'{word * 40}{i:03}' for i in range(3)]
    content = make_content(names, 60, 0.9, shown=60)
    browser = open_page(content)
    label, predicted = max(cell for cell in content.cells if cell[0] != cell[1])
    find_cell(browser, label, predicted).click()
    expected = f'True class {cut(names[label], 120)}, predicted {cut(names[predicted], 120)}'
    assert find(browser, '#cell h3')[0].text == expected
    shown = find(browser, '#cell .label bdi')[0]
    assert (shown.text, shown.get_attribute('title')) == (cut(names[label], 24), names[label])


@pytest.mark.parametrize('classes', [10, 30, 200])
def test_matrix_fits_or_says_that_it_scrolls(open_page, size, classes):
    names = [f'a long name of class {i}' for i in range(classes)]
    browser = open_page(make_content(names, 900, 0.3, shown=20))
    box = browser.driver.find_element(By.CSS_SELECTOR, '.matrix-box .scroll')
    overflows = browser.driver.execute_script(
        'return arguments[0].scrollWidth > arguments[0].clientWidth', box
    )
    assert overflows == (size == SIZES['phone'])
    hint = browser.driver.find_element(By.CSS_SELECTOR, '.matrix-box .scroll-hint')
    assert hint.is_displayed() == overflows
    assert ('more' in box.get_attribute('class')) == overflows
    # No name of a class is cut where a column or row has its end only.
    cut = [span for span in find(browser, '.matrix th span') if '…' in span.text]
    assert not cut


@pytest.mark.parametrize('classes', [5, 16])
@pytest.mark.parametrize(
    'word', ['specimen_of_a_collection', 'SPECIMEN_OF_WWW', '\N{LEOPARD}' * 24], ids=['lower', 'upper', 'emoji']
)  # fmt: skip
def test_the_ends_of_long_names_are_visible(open_page, classes, word):
    browser = open_page(make_content([f'{word * 4}_{i:03}' for i in range(classes)], 60, 0.3))
    hidden = (
        'const [e] = arguments;'
        'return Math.max(e.scrollWidth - e.clientWidth, e.scrollHeight - e.clientHeight)'
    )
    for span in find(browser, '#matrix th span'):
        assert browser.driver.execute_script(hidden, span) <= 1, span.text


def test_arrow_keys_move_between_cells(open_page):
    content = make_content(DIGITS, 300, 0.2, shown=20)
    browser = open_page(content)
    assert len(find(browser, '#matrix [tabindex="0"]')) == 1
    first = find_cell(browser, 0, 0)
    browser.driver.execute_script('arguments[0].focus()', first)
    ActionChains(browser.driver).send_keys(Keys.ARROW_RIGHT, Keys.ENTER).perform()
    predicted = int(content.report.confusion[0, 1:].nonzero()[0][0]) + 1
    assert find(browser, '#cell h3')[0].text == f'True class 0, predicted {predicted}'
    assert len(find(browser, '#matrix [tabindex="0"]')) == 1


def test_confused_classes_are_put_side_by_side(open_page):
    content = make_content(DIGITS, 600, 0.3, shown=10)
    browser = open_page(content)

    def read():
        rows = find(browser, '#matrix tr')[1:]
        return [
            [cell.get_property('textContent').split() for cell in row.find_elements(By.XPATH, '*')]
            for row in rows
        ]

    before = read()
    (switch,) = find(browser, '#group')
    browser.driver.execute_script('arguments[0].scrollIntoView({block: "center"})', switch)
    switch.click()
    after = read()
    heads, order = before[0][1:], [before[0][1:].index(head) for head in after[0][1:]]
    assert order != [*range(10)]
    assert [row[0] for row in after[1:]] == [heads[i] for i in order]
    for i, row in zip(order, after[1:], strict=True):
        assert row[1:] == [before[1 + i][1 + j] for j in order]
    switch.click()
    assert read() == before


def test_table_sorts_with_missing_values_last(open_page):
    content = make_content([f'class {i}' for i in range(40)], 60, 0.3, shown=10)
    browser = open_page(content)
    heads = find(browser, '#class-table thead button')

    def read(column):
        cells = find(browser, f'#class-table tbody tr > :nth-child({column})')
        return [cell.get_property('textContent').strip().replace(',', '') for cell in cells]

    for column, name in enumerate(('images', 'precision', 'recall', 'F1'), start=2):
        for down in (True, False):
            heads[column - 1].send_keys(Keys.ENTER)
            values = read(column)
            numbers = [float(v) for v in values if v != '\N{EN DASH}']
            assert numbers == sorted(numbers, reverse=down), name
            assert values[len(numbers) :] == ['\N{EN DASH}'] * (40 - len(numbers))
            (sorted_by,) = find(browser, '#class-table [aria-sort]')
            assert sorted_by.get_attribute('aria-sort') == ('descending' if down else 'ascending')
    heads[0].send_keys(Keys.ENTER)
    assert read(1) == [f'class {i}' for i in range(40)]


def test_heat_maps_are_toggled(open_page):
    browser = open_page(make_content(DIGITS, 100, 0.2))

    def count():
        shown = [
            [e.is_displayed() for e in find(browser, f'#images {kind}')]
            for kind in ('.thumbnail', '.heat')
        ]
        assert all(a != b for a, b in zip(*shown, strict=True))
        return sum(shown[1])

    assert count() == 0
    one = find(browser, '#images .switch')[0]
    browser.driver.execute_script('arguments[0].scrollIntoView({block: "center"})', one)
    one.click()
    assert count() == 1
    (every,) = find(browser, '#all-heat')
    every.send_keys(Keys.SPACE)
    assert count() == len(find(browser, '#images .card'))
    every.send_keys(Keys.SPACE)
    assert count() == 0


def test_points_show_their_images(open_page, size):
    content = make_content(DIGITS, 100, 0.2)
    browser = open_page(content)
    points = find(browser, '#map [data-key]')
    assert len(points) == 100
    point = points[-1]
    browser.driver.execute_script('arguments[0].scrollIntoView({block: "center"})', point)
    if size[0] < 500:  # a tap
        box = browser.driver.execute_script(
            'return arguments[0].getBoundingClientRect().toJSON()', point
        )
        touch = dict(x=box['x'] + box['width'] / 2, y=box['y'] + box['height'] / 2)
        browser.driver.execute_cdp_cmd('Emulation.setTouchEmulationEnabled', {'enabled': True})
        browser.driver.execute_cdp_cmd(
            'Input.dispatchTouchEvent', dict(type='touchStart', touchPoints=[touch])
        )
        browser.driver.execute_cdp_cmd(
            'Input.dispatchTouchEvent', dict(type='touchEnd', touchPoints=[])
        )
    else:
        ActionChains(browser.driver).move_to_element(point).perform()
    key = int(find(browser, '#map .chosen')[0].get_attribute('data-key'))
    image = content.images[key]
    assert shown_sources(browser, '#point .thumbnail') == [to_url(image.thumbnail)]
    assert find(browser, '#point .label')[0].text.endswith(f'true: {image.label}')
    if size[0] >= 500:  # on a phone the nearest of several points in reach may be another one
        assert key == int(point.get_attribute('data-key'))

    (first,) = find(browser, '#map [tabindex="0"]')
    browser.driver.execute_script('arguments[0].focus()', first)
    seen = {find(browser, '#map .chosen')[0].get_attribute('data-key')}
    for arrow in (Keys.ARROW_RIGHT, Keys.ARROW_LEFT, Keys.ARROW_UP, Keys.ARROW_DOWN):
        ActionChains(browser.driver).send_keys(arrow).perform()
        seen.add(find(browser, '#map .chosen')[0].get_attribute('data-key'))
    assert len(seen) > 2
    focused = browser.driver.switch_to.active_element
    image = content.images[int(focused.get_attribute('data-key'))]
    expected = f'true {image.label}, predicted {image.predictions[0][0]}'
    assert focused.get_attribute('aria-label') == expected
    assert shown_sources(browser, '#point .thumbnail') == [to_url(image.thumbnail)]


@pytest.mark.parametrize(
    'names', [HOSTILE, [*HOSTILE, *map(str, range(990))], ['only']], ids=['10', '1000', '1']
)
def test_hostile_names_do_nothing(open_page, names):
    content = make_content(names, 300, 0.3, shown=100)
    content.title = HOSTILE[0]
    content.facts = [(name, name) for name in HOSTILE]
    browser = open_page(content)
    for cell in find(browser, '#confusion td button')[:20]:
        browser.driver.execute_script('arguments[0].click()', cell)
    for point in find(browser, '#map [data-key]')[::10]:
        browser.driver.execute_script('arguments[0].focus()', point)
    for head in find(browser, '#class-table thead button'):
        browser.driver.execute_script('arguments[0].click()', head)
    assert find(browser, 'h1')[0].text == HOSTILE[0]
    assert len(find(browser, 'script')) == 3  # those of the page itself
    shown = {bdi.get_property('textContent') for bdi in find(browser, '#class-table bdi')}
    assert HOSTILE[5] in shown or names == ['only']
    assert not find(browser, 'bdi *')


def test_dark_mode_and_print(open_page):
    content = make_content([f'class {i}' for i in range(30)], 300, 0.2, shown=60)
    browser = open_page(content)
    script = 'return getComputedStyle(document.body).backgroundColor'
    colors = {}
    for dark in (False, True):
        browser.set_dark(dark)
        red, green, blue = map(int, re.findall(r'\d+', browser.driver.execute_script(script)))
        colors[dark] = red + green + blue
        assert not browser.scrolls_sideways()
    assert colors[True] < 150 < 600 < colors[False]
    # Whatever scrolls on the screen must fit the paper: 720 pixels is A4 with margins.
    browser.resize(720, 1000)
    browser.driver.execute_cdp_cmd('Emulation.setEmulatedMedia', {'media': 'print'})
    clipped = """return [...document.querySelectorAll('section, .scroll, table, .gallery, .card, svg')]
        .filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX !== 'visible'
            || e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"""
    assert browser.driver.execute_script(clipped) == []
    assert not [e for e in find(browser, '.switches, .contents, .card .switch') if e.is_displayed()]
    heats = find(browser, '#images .heat')
    assert heats
    assert all(image.is_displayed() for image in heats)
    paper = dict(paperWidth=8.27, paperHeight=11.69)
    pdf = base64.b64decode(browser.driver.execute_cdp_cmd('Page.printToPDF', paper)['data'])
    assert pdf.startswith(b'%PDF')
    assert len(re.findall(rb'/Type\s*/Page\b', pdf)) >= 4


def test_the_page_of_a_test(run, tmp_path, browser):
    """Of a network and its data, where those above have contents that are drawn."""
    run('wrn', 'test', 'wide-resnet16-2_1xb64_digits', '--report', tmp_path / 'report')
    browser.driver.get((tmp_path / 'report' / 'index.html').as_uri())
    assert find(browser, '#summary .value')[0].text == '99.2 %'
    find_cell(browser, 5, 9).click()
    (image,) = find(browser, '#cell .thumbnail')
    assert image.get_property('naturalWidth')
    find(browser, '#cell .switch input')[0].click()
    assert find(browser, '#cell .heat')[0].is_displayed()
    assert len(find(browser, '#map [data-key]')) == 355


def test_without_javascript_all_figures_are_there(tmp_path, size):
    content = make_content(DIGITS, 100, 0.2)
    path = tmp_path / 'index.html'
    path.write_text(render_page(content), encoding='utf-8')
    with Browser(*size) as browser:
        browser.driver.execute_cdp_cmd('Emulation.setScriptExecutionDisabled', {'value': True})
        browser.driver.get(path.as_uri())
        shown = [
            e.is_displayed()
            for e in find(browser, '.chart svg, .calibration, #map, .card .thumbnail, #matrix')
        ]
        assert len(shown) > 15
        assert all(shown)
        assert find(browser, 'noscript p')[0].is_displayed()
        assert not [e for e in find(browser, '.needs-js, #all-heat') if e.is_displayed()]
