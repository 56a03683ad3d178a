"""HTTP in: the BaRS side, the local API, the board, health and metrics."""
