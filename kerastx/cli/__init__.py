"""`kerastx VERB ...`: one file a verb; every heavy import is inside its verb."""
