"""The page of the application in Chromium, at the width of a desktop and of a phone."""

import base64
import csv

import pytest
from app_client import NAME, digits_app, encoded, serving_app
from browser import Browser
from commands import wait_for
from selenium.webdriver.common.by import By

import wrn

pytestmark = [pytest.mark.slow, pytest.mark.ci]

HOSTILE = '<img src=x onerror="window.hacked=1">${window.hacked=2}{{7*7}}\u202egnp' + 'x' * 250
DROP = """
const [zone, content, name] = arguments;
const bytes = Uint8Array.from(atob(content), c => c.charCodeAt(0));
const dataTransfer = new DataTransfer();
dataTransfer.items.add(new File([bytes], name, {type: 'image/png'}));
for (const kind of ['dragenter', 'dragover', 'drop'])
  zone.dispatchEvent(new DragEvent(kind, {dataTransfer, bubbles: true, cancelable: true}));
"""
SLIDE = """
const [slider, value] = arguments;
slider.value = value;
slider.dispatchEvent(new Event('input', {bubbles: true}));
slider.dispatchEvent(new Event('change', {bubbles: true}));
"""


@pytest.fixture(params=[(1280, 900), (390, 844)], ids=['1280', '390'])
def browser(request):
    with Browser(*request.param) as browser:
        yield browser


@pytest.fixture(scope='module')
def host():
    with serving_app(digits_app()) as (host, port):
        yield f'{host}:{port}'


def find(browser, selector):
    """Wait for an element of the page."""
    wait_for(lambda: browser.driver.find_elements(By.CSS_SELECTOR, selector), seconds=30)
    return browser.driver.find_element(By.CSS_SELECTOR, selector)


def open_page(browser, host):
    browser.driver.get(f'http://{host}/')
    find(browser, '#wrn-image input[type=file]')


def drop(browser, path):
    content = base64.b64encode(path.read_bytes()).decode()
    zone = find(browser, '#wrn-image button[aria-label], #wrn-image button')
    browser.driver.execute_script(DROP, zone, content, path.name)


def open_tab(browser, title):
    tabs = browser.driver.find_elements(By.CSS_SELECTOR, 'button[role=tab]')
    next(tab for tab in tabs if tab.text == title).click()


def check_clean(browser, host):
    assert browser.console_errors() == []
    assert browser.outside_requests(host) == []
    assert not browser.scrolls_sideways()


def test_drop_an_image_and_see_why(browser, host, checkout):
    open_page(browser, host)
    assert 'handwritten digits only' in find(browser, 'body').text
    check_clean(browser, host)
    drop(browser, checkout / 'demo' / 'digit_7.png')
    wait_for(lambda: '> 99.9 %' in find(browser, '#wrn-label').text, seconds=30)
    assert find(browser, '.wrn-class').text.split() == ['7', '>', '99.9', '%']
    assert '\n0.0 %' not in find(browser, '#wrn-label').text
    find(browser, '#wrn-wanted input').click()
    above = find(browser, '.wrn-map')
    assert float(above.value_of_css_property('opacity')) == 0.5
    below = find(browser, '.wrn-heat img')
    assert below.get_attribute('src') != above.get_attribute('src')
    browser.driver.execute_script(SLIDE, find(browser, '#wrn-strength input[type=range]'), 0.9)
    wait_for(lambda: above.value_of_css_property('opacity') == '0.9', seconds=30)
    check_clean(browser, host)


def test_several_images_and_their_table(browser, host, checkout, tmp_path):
    paths = [checkout / 'demo' / f'digit_{digit}.png' for digit in (3, 7)]
    formula = tmp_path / '=1+1.png'
    formula.write_bytes(paths[0].read_bytes())
    page = tmp_path / f'<b>{"page" * 30}.png'
    page.write_text('<script>window.hacked = 1</script>')
    large = tmp_path / 'large.png'  # of a good image, with one byte too many
    large.write_bytes(paths[0].read_bytes().ljust(10_000_001, b'\0'))
    open_page(browser, host)
    open_tab(browser, 'Several images')
    assert 'Drop up to 64 images of at most 10 MB' in find(browser, 'body').text
    given = '\n'.join(map(str, [*paths, formula, page, large]))
    find(browser, '#wrn-files input[type=file]').send_keys(given)
    link = find(browser, '#wrn-download')
    shown = find(browser, '#wrn-table').text
    assert 'digit_3.png 3 > 99.9 %' in shown
    assert f'{page.name} not an image' in ' '.join(shown.split())
    width = "const table = document.querySelector('#wrn-table .wrn-scroll'); return table."
    assert browser.driver.execute_script(f'{width}scrollWidth <= table.clientWidth')
    command = dict(behavior='allow', downloadPath=str(tmp_path))
    browser.driver.execute_cdp_cmd('Page.setDownloadBehavior', command)
    browser.driver.execute_script('arguments[0].scrollIntoView()', link)
    link.click()
    table = tmp_path / 'predictions.csv'
    wait_for(lambda: table.exists() and table.stat().st_size, seconds=30)  # Chromium makes it empty
    rows = list(csv.DictReader(table.open()))
    assert [row['class'] for row in rows] == ['3', '7', '3', '', '']
    assert rows[0]['file'] == 'digit_3.png'
    assert not rows[2]['file'].startswith('=')
    assert rows[3]['file'] == page.name
    assert rows[3]['error'].startswith('not an image')
    assert rows[4]['error'] == 'has more than 10 MB; make the image smaller'
    check_clean(browser, host)


def test_a_bad_image_and_a_large_one_say_why(browser, host, tmp_path):
    open_page(browser, host)
    for name, content, reason in (
        ('page.png', b'<html>', 'page.png: not an image'),
        ('large.png', encoded().ljust(10_000_001, b'\0'), 'large.png: has more than 10 MB'),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        drop(browser, path)
        wait_for(lambda r=reason: r in find(browser, '#wrn-problem').text, seconds=30)
        find(browser, '#wrn-image [aria-label="Remove Image"]').click()
        find(browser, '#wrn-image input[type=file]')
    check_clean(browser, host)


def test_images_of_the_last_server_are_gone(browser, checkout):
    paths = [checkout / 'demo' / f'digit_{digit}.png' for digit in (3, 7)]
    with serving_app(digits_app()) as (address, port):
        open_page(browser, f'{address}:{port}')
        drop(browser, paths[1])
        wait_for(lambda: '> 99.9 %' in find(browser, '#wrn-label').text, seconds=30)
        open_tab(browser, 'Several images')
        find(browser, '#wrn-files input[type=file]').send_keys(str(paths[0]))
        find(browser, '#wrn-download')
    with serving_app(digits_app(), port):
        find(browser, '#wrn-files input[type=file]').send_keys(str(paths[1]))
        gone = 'digit_3.png: not kept any longer'
        wait_for(lambda: gone in find(browser, '#wrn-table').text, seconds=30)
        open_tab(browser, 'One image')
        find(browser, '#wrn-wanted input').click()
        gone = 'digit_7.png: not kept any longer'
        wait_for(lambda: gone in find(browser, '#wrn-problem').text, seconds=30)


def test_all_text_has_one_font(browser, host):
    open_page(browser, host)
    families = browser.driver.execute_script(
        "return [...new Set([...document.querySelectorAll('h1, p, b, button, label, span')]"
        '.map(e => getComputedStyle(e).fontFamily))]'
    )
    assert families == ['system-ui, sans-serif']


def test_dark_colors(browser, host):
    browser.set_dark(True)
    open_page(browser, host)
    color = find(browser, 'body').value_of_css_property('background-color')
    assert max(map(int, color.partition('(')[2].rstrip(')').split(',')[:3])) < 80
    check_clean(browser, host)


def test_hostile_class_names_stay_text(browser, checkout):
    model = wrn.get_model(NAME, True)
    model._dataset_meta = dict(classes=[f'{digit} {HOSTILE}' for digit in range(10)])
    with serving_app(digits_app(model)) as (address, port):
        host = f'{address}:{port}'
        open_page(browser, host)
        drop(browser, checkout / 'demo' / 'digit_7.png')
        wait_for(lambda: '<img src=x' in find(browser, '#wrn-label').text, seconds=30)
        find(browser, '#wrn-wanted input').click()
        find(browser, '.wrn-map')
        assert '{{7*7}}' in find(browser, '.wrn-caption').text
        opener = "[...document.querySelectorAll('button')].find(b => /About/.test(b.innerText))"
        browser.driver.execute_script(f'{opener}.click()')
        wait_for(lambda: '9 <img src=x' in find(browser, '#wrn-about').text, seconds=30)
        assert '${window.hacked=2}{{7*7}}' in find(browser, '#wrn-about').text
        assert browser.driver.execute_script('return window.hacked') is None
        check_clean(browser, host)
