"""Training of classifiers: settings, losses, scores, stages."""
