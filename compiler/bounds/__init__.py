"""What an expression can be over whole sets of designs: intervals, boxes of values, integrals."""
