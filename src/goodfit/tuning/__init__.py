"""Search among settings: spaces, strategies, studies that are resumed and shared, and the loop that asks for whole cohorts of trials.

What a trial is, and who trains it, stands behind the protocol in `cohort.py`: nothing here knows a network or the data.
"""

RECORD = "study.json"  # what a search leaves, from which its pages are made
