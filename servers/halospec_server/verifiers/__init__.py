"""What decides how much of a draft is kept, exactly as the target alone would have written."""
