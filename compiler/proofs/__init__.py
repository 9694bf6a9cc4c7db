"""Whether facts can hold together: boxes, sums and Z3, with witnesses for yes and certificates for no."""
