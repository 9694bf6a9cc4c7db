"""What `check` asks of a space and what it says: dead values, what changes nothing, what a change did."""
