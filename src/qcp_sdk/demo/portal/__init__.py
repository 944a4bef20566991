"""`make portal`: a small platform (Django) to walk through, with an inbox, a phone and an operator's console in it."""
