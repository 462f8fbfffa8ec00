"""What `streams analyze` and `streams power` tell, as plain numbers and as tables."""
