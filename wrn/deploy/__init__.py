"""Run networks in runtimes other than eager torch.

In: a classifier. Out: a ``DeployedClassifier``, which runs in an engine, or an exported file. Open
``classifier`` first, then ``engines`` for the runtimes and ``export`` for the files.
"""
