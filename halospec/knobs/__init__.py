"""How a draft length reaches a server: in the request, by the model's name, or by loading or starting it anew."""
