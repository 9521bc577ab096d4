"""What people see; no arithmetic here."""
