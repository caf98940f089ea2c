"""Further pods of the image, on which Dask runs what a training gives away."""
