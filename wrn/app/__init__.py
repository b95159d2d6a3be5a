"""A page and an HTTP interface to try a model.

In: a model with its config. Out: a FastAPI application, and a server that runs it. Open
``application`` first, which puts the parts together. ``image_uploads`` reads images from requests
within ``request_limits``, and forms by ``form_parts``, and raises a ``refusal`` for what it does
not take. ``image_preprocessing`` decodes them in threads, and ``classification`` classifies them in
the batches of ``batch_queue``. ``api_routes`` is the HTTP interface, whose parameters are read by
``query``, and whose answers are those of ``json_answer``. ``gradio_page`` is the page, whose HTML
is in ``page_parts``. ``page_guard`` limits what its requests may do: to send the events in
``page_events``, and files to the ``upload_folder``. ``host_check`` refuses other names of the
server. ``about_model`` says what the model is. ``app_server`` serves the application.
"""

from wrn.app.application import make_app
from wrn.app.request_limits import RequestLimits

__all__ = ['RequestLimits', 'make_app']
