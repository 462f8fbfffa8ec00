"""Labels that have not come yet: how long they take, how many of them are there, and what they will have said."""
