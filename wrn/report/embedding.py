"""Map images to the plane by their features."""

import numpy as np

_COMPONENTS = 50  # of the features, as recommended for t-SNE
_PERPLEXITY = 30.0
_FEWEST = 10  # images


def embed(features: np.ndarray) -> np.ndarray | None:
    """Map images to the plane so that similar ones are close.

    t-SNE (https://jmlr.org/papers/v9/vandermaaten08a.html) by scikit-learn, of the first 50
    principal components.

    Args:
        features: The features of each image, ``(N, C)``.

    Returns:
        The positions, ``(N, 2)``. None if there are fewer than 10 images, or their features are all
        alike or not finite.
    """
    if len(features) < _FEWEST or not np.isfinite(features).all() or not np.ptp(features, 0).any():
        return None
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    number = min(_COMPONENTS, *features.shape)
    reduced = PCA(number, random_state=0).fit_transform(features)
    perplexity = min(_PERPLEXITY, (len(features) - 1) / 3)
    # Features that vary in one direction only have no second component to start from.
    start = 'pca' if number > 1 and reduced[:, 1].std() > 0 else 'random'
    return TSNE(perplexity=perplexity, init=start, random_state=0).fit_transform(reduced)
