"""The bench of the doctor: faulty programs with their repaired twins, healthy ones, traps, and what `goodfit doctor` says of each."""
