"""Server-side rules that choose a draft length before every round (``draft_length: "auto"``)."""
