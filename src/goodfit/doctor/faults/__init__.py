"""The faults, one a file: the cheap signal that raises a suspicion, the remedy or the experiment that proves it, the reason of its threshold, its source."""
