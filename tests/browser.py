"""A headless Chromium that opens pages, for tests of what is on them."""

import json
import os
import shutil
from typing import Any
from urllib.parse import urlsplit

import pytest


def find_chromium() -> tuple[str, str]:
    """Return the paths of Chromium and of its driver.

    Where they are missing, the test is skipped. In CI it fails: Debian's packages ``chromium`` and
    ``chromium-driver`` have both.
    """
    found = shutil.which('chromium'), shutil.which('chromedriver')
    if None in found:
        (pytest.fail if os.environ.get('CI') else pytest.skip)('chromium is not installed')
    return found


class Browser:
    """A headless Chromium with a window of a given size, in CSS pixels.

    Use it as a context manager, which ends the browser.

    Args:
        width: The width of the page. Below 500 the page is laid out as on a phone.
        height: Its height.
    """

    def __init__(self, width: int, height: int) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        binary, driver = find_chromium()
        options = webdriver.ChromeOptions()
        options.binary_location = binary
        for argument in (
            '--headless=new',
            '--no-sandbox',
            '--disable-dev-shm-usage',
            '--disable-gpu',
        ):
            options.add_argument(argument)
        options.set_capability('goog:loggingPrefs', {'browser': 'ALL', 'performance': 'ALL'})
        self.driver = webdriver.Chrome(options=options, service=Service(driver))
        self._console: list[dict[str, Any]] = []
        self._urls: list[str] = []
        self.resize(width, height)

    def __enter__(self) -> 'Browser':
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.quit()

    def resize(self, width: int, height: int) -> None:
        """Change the size of the page."""
        size = dict(width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        self.driver.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', size)

    def set_dark(self, dark: bool) -> None:
        """Prefer dark or light colors."""
        value = 'dark' if dark else 'light'
        feature = dict(name='prefers-color-scheme', value=value)
        self.driver.execute_cdp_cmd('Emulation.setEmulatedMedia', {'features': [feature]})

    def _read_logs(self) -> None:
        self._console += self.driver.get_log('browser')
        for entry in self.driver.get_log('performance'):
            message = json.loads(entry['message'])['message']
            if message['method'] == 'Network.requestWillBeSent':
                self._urls.append(message['params']['request']['url'])

    def console_errors(self) -> list[str]:
        """Return the errors in the console since the browser was started."""
        self._read_logs()
        return [entry['message'] for entry in self._console if entry['level'] == 'SEVERE']

    def outside_requests(self, host: str) -> list[str]:
        """Return the addresses that were requested from other hosts than this one.

        Args:
            host: The host, with its port; empty for files.
        """
        self._read_logs()
        own = ('data:', 'blob:', 'chrome:', 'about:')
        return [u for u in self._urls if urlsplit(u).netloc != host and not u.startswith(own)]

    def scrolls_sideways(self) -> bool:
        """Return whether the page is wider than the window."""
        script = (
            'return document.documentElement.scrollWidth > document.documentElement.clientWidth'
        )
        return self.driver.execute_script(script)
