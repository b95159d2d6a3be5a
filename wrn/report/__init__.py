"""The report of a test: a page that shows what a network gets wrong, and where it looks.

In: the metrics and the results of each image of a test, its dataset and its network. Out: the files
of a report folder. Open ``content`` first, which says what a report has, then ``write_report``.
``facts`` says what was tested. ``collect`` collects the images that ``shown_images`` chooses in an
``album`` of ``thumbnails``, and maps them by ``embedding``; ``near_images`` finds copies. ``page``
renders the templates, with the charts of ``charts``, ``calibration_chart``, ``confusion_view`` and
``embedding_chart``, ``image_cards``, ``near_reasons`` and ``number_text``. ``plots`` draws the
PNGs, and ``json_report`` has the figures.
"""
