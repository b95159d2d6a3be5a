"""Run networks in other runtimes than eager torch.

A classifier comes in; out comes a :class:`~wrn.deploy.classifier.DeployedClassifier`, which runs in
an engine, or an exported file. Open ``classifier`` first, then ``engines`` for the runtimes and
``export`` for the files.
"""
