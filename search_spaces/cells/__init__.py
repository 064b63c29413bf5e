"""What the spaces of classification cells share: plans, their modules, and checks of genotypes."""
