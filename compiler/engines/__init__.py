"""The best design of what is modelled, without training: by listing, with a proof, or by descent."""
